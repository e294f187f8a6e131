"""Cubins are compiled once and cached in files; a missing or damaged file is compiled again."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tinyfft.cuda import cubin

CODE = b"\x7fELF machine code"


class Refused(Exception):
    pass


class Compiler:
    """NVRTC with CuPy's interface."""

    NVRTCError = Refused

    def __init__(self):
        self.programs = []  # (source, options) of each that was compiled
        self.alive = 0
        self.version = (13, 0)

    def getVersion(self):
        return self.version

    def createProgram(self, source, *_):
        self.alive += 1
        return source

    def compileProgram(self, source, options):
        if "refuse" in source:
            raise Refused
        self.programs.append((source, options))

    def getCUBIN(self, source):
        return CODE

    def getProgramLog(self, source):
        return "line 1: refused"

    def destroyProgram(self, source):
        self.alive -= 1


class CompileException(Exception):
    pass


@pytest.fixture
def device(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    compiler = SimpleNamespace(CompileException=CompileException)
    cuda = SimpleNamespace(nvrtc=Compiler(), compiler=compiler)
    xp = SimpleNamespace(cuda=cuda, RawModule=lambda path: Path(path).read_bytes())
    return SimpleNamespace(xp=xp)


def files(tmp_path):
    return sorted((tmp_path / "cache" / "kernels").glob("*"))


def test_a_source_is_compiled_once_for_each_architecture_and_compiler(device, tmp_path):
    nvrtc = device.xp.cuda.nvrtc
    for _ in range(2):
        assert cubin.module("a", "sm_90a", device) == CODE
    assert nvrtc.programs == [("a", ("-std=c++17", "-arch=sm_90a"))]
    cubin.module("b", "sm_90a", device)
    cubin.module("a", "sm_100a", device)
    nvrtc.version = (13, 1)
    cubin.module("a", "sm_90a", device)
    assert len(nvrtc.programs) == len(files(tmp_path)) == 4
    assert nvrtc.alive == 0


@pytest.mark.parametrize("content", [b"", b"half"])
def test_a_damaged_file_is_compiled_again(device, tmp_path, content):
    cubin.module("a", "sm_90a", device)
    (path,) = files(tmp_path)
    path.write_bytes(content)
    assert cubin.module("a", "sm_90a", device) == CODE
    assert path.read_bytes() == CODE


def test_without_a_cache_it_is_compiled_every_time(device, tmp_path):
    (tmp_path / "cache").write_text("a file, no folder")
    for _ in range(2):
        assert cubin.module("a", "sm_90a", device) == CODE
    assert len(device.xp.cuda.nvrtc.programs) == 2


def test_an_error_has_the_compilers_log(device, tmp_path):
    device.xp.cuda.compiler.CompileException = lambda *words: CompileException(words[0])
    with pytest.raises(CompileException, match="line 1: refused"):
        cubin.module("refuse", "sm_90a", device)
    assert device.xp.cuda.nvrtc.alive == 0
    assert not files(tmp_path)
