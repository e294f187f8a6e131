"""The CUDA sources: found, headed, and compiled wherever there is a compiler for them."""

import shutil
import subprocess

import pytest

from tinyfft.kernel_source import kernel_directory, kernel_source

STEMS = sorted(path.stem for path in kernel_directory().glob("*.cu"))


def test_sources_are_found_beside_the_package():
    assert "probe" in STEMS
    assert "__global__" in kernel_source("probe")


@pytest.mark.parametrize("stem", STEMS)
def test_every_source_opens_with_its_layout(stem):
    header = kernel_source(stem).partition("*/")[0]
    assert header.startswith(f"/* {stem}: ")
    for entry in ("Computes", "Input", "Output", "Grid", "Block", "Shared", "Requires"):
        assert f"{entry}  " in header


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="there is no nvcc on this machine")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("stem", STEMS)
def test_every_source_compiles(stem, architecture, tmp_path):
    source = kernel_directory() / f"{stem}.cu"
    command = ["nvcc", "-cubin", f"-arch={architecture}", "-Werror", "all-warnings", "-o", tmp_path / "out", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").stat().st_size > 0
