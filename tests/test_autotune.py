"""Autotuning: measured once on a machine; a cache file that cannot be used costs time, not results."""

import json
from math import ceil
from types import SimpleNamespace

import pytest

from tinyfft import autotune, backend
from tinyfft.backend import current_device

METHODS = ("fft", "direct")


@pytest.fixture
def file(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(autotune, "_tables", {})
    return tmp_path / "cache" / "autotune.json"


@pytest.fixture
def forget(monkeypatch):
    """As another process begins."""
    return lambda: monkeypatch.setattr(autotune, "_tables", {})


@pytest.fixture
def choose(monkeypatch):
    """Returns (what was chosen, whether candidates were measured), if measuring finds `answer` the fastest."""

    def choose(answer, problem="a layer"):
        measured = []
        seconds = dict.fromkeys(METHODS, 2.0) | {answer: 1.0}
        monkeypatch.setattr(autotune, "benchmark", lambda *_: measured.append(True) or seconds)
        return autotune.fastest(current_device(), problem, dict.fromkeys(METHODS)), bool(measured)

    return choose


def test_it_is_chosen_once(file, forget, choose):
    assert choose("fft") == ("fft", True)
    assert choose("direct") == ("fft", False)
    forget()
    assert choose("direct") == ("fft", False)
    assert choose("direct", "another layer") == ("direct", True)
    forget()
    assert choose("fft", "another layer") == ("direct", False)


def test_another_process_loses_nothing(file, forget, choose):
    choose("fft")
    known = dict(autotune._tables)
    forget()
    choose("direct", "of the other")
    autotune._tables.update({device: dict(of) for device, of in known.items()})
    choose("direct", "a third")
    forget()
    assert choose("-") == ("fft", False)
    assert choose("-", "of the other") == ("direct", False)
    assert choose("-", "a third") == ("direct", False)


@pytest.mark.parametrize("changed", ["hardware", "numpy", "BLAS threads"])
def test_another_machine_chooses_for_itself(file, forget, choose, monkeypatch, changed):
    choose("fft")
    describe = autotune.machine.describe
    monkeypatch.setattr(autotune.machine, "describe", lambda device: describe(device) | {changed: "another"})
    forget()
    assert choose("direct") == ("direct", True)
    monkeypatch.undo()


def test_another_version_begins_anew(file, forget, choose, monkeypatch):
    choose("fft")
    monkeypatch.setattr(autotune, "__version__", "99")
    forget()
    assert choose("direct") == ("direct", True)
    assert json.loads(file.read_text())["version"] == "99"


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", "7", '{"version": "0"}', '{"version": [], "machines": {}}', "\udcff"),
        *('{"version": "VERSION", "machines": 3}', '{"version": "VERSION", "machines": {"MACHINE": 3}}'),
        '{"version": "VERSION", "machines": {"MACHINE": {"a layer": "os.system"}}}',
        '{"version": "VERSION", "machines": {"MACHINE": {"a layer": ["fft"]}}}',
    ],
)
def test_a_damaged_file_is_none(file, forget, choose, content):
    machine = json.dumps(autotune.machine.describe(current_device()))[1:-1].replace("\\", "\\\\").replace('"', '\\"')
    content = content.replace("VERSION", autotune.__version__).replace("MACHINE", "{" + machine + "}")
    file.parent.mkdir()
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert choose("fft") == ("fft", True)
    forget()
    assert choose("direct") == ("fft", False)


def test_where_nothing_can_be_written_it_is_chosen_in_each_process(file, forget, choose):
    file.parent.write_text("no folder")
    assert choose("fft") == ("fft", True)
    assert choose("direct") == ("fft", False)
    forget()
    assert choose("direct") == ("direct", True)


def test_without_a_home_too(file, forget, choose, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(autotune.files, "cache_folder", no_home)
    assert choose("fft") == ("fft", True)
    forget()
    assert choose("direct") == ("direct", True)


@pytest.fixture
def clocked(monkeypatch):
    """Return a function that makes candidates; each of their calls advances a fake clock by the given seconds."""
    now = [0.0]
    monkeypatch.setattr(autotune.time, "perf_counter", lambda: now[0])

    def make(*seconds):
        left = iter(seconds)

        def call():
            now[0] += next(left, 9.0)

        return call

    return make


def test_a_candidate_takes_the_least_of_its_rounds_after_a_call_that_warms_up(clocked):
    candidates = {"a": clocked(0.5, 3.0, 1.0, 3.0), "b": clocked(0.5, 2.0, 2.0, 2.0)}
    assert autotune.benchmark(candidates, current_device()) == {"a": 1.0, "b": 2.0}


SHORT = autotune.MIN_SECONDS / 4


def test_a_short_call_is_repeated_within_a_round(clocked):
    """A call warms up; in each round a first call decides how many others are measured. The clock is fake."""
    counted = [[1.0, 1.0, 1.0, 2.0], [0.5, 0.5, 1.0, 1.0], [1.0, 2.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]
    short = clocked(0.0, *(SHORT * factor for one_round in counted for factor in (1.0, *one_round)))
    assert autotune.benchmark({"short": short}, current_device()) == {"short": pytest.approx(0.75 * SHORT)}
    before = autotune.time.perf_counter()
    short()
    assert autotune.time.perf_counter() - before == 9.0  # all the others have been made, and no more


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        (autotune.MIN_SECONDS, 1),
        (50 * autotune.MIN_SECONDS, 1),
        (0.9 * autotune.MIN_SECONDS, 1 + 2),
        (SHORT, 1 + 4),
        (0.0, 1 + ceil(autotune.MIN_SECONDS / 1e-6)),
    ],
)
def test_a_round_takes_its_least_time_or_one_call(clocked, seconds, calls):
    """Also where the clock stands still."""
    made, call = [], clocked(*[seconds] * 4000)
    assert autotune._seconds(lambda: made.append(call()), current_device()) == pytest.approx(seconds)
    assert len(made) == calls


@pytest.mark.parametrize("factor", [0.25, 2.0])
def test_captured_calls_are_launched_in_a_row_and_waited_for_once(monkeypatch, factor):
    """A fake clock advances at each synchronize, by the queued calls and 10 us of the host."""
    now, queued, waited, launches = [0.0], [0.0], [], []
    host, seconds = 1e-5, factor * autotune.MIN_SECONDS / autotune.CALLS_PER_GRAPH  # of the wait, and of a call

    def call():
        queued[0] += seconds

    def synchronize():
        now[0] += queued[0] + host
        queued[0] = 0.0
        waited.append(True)

    def capture(work, device):
        return lambda: launches.append(True) or work()

    monkeypatch.setattr(autotune.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(autotune.graph, "capture", capture)
    device = SimpleNamespace(captures=True, synchronize=synchronize)
    in_a_row = 4 if factor < 1 else 1
    noise = host / (in_a_row * autotune.CALLS_PER_GRAPH)
    assert autotune._seconds(call, device) == pytest.approx(seconds + noise)
    assert len(launches) == (1 + in_a_row if factor < 1 else 1)
    assert len(waited) == (4 if factor < 1 else 2)


def test_candidates_that_run_out_of_memory_are_left_out(clocked):
    def scarce():
        raise MemoryError("of a candidate")

    candidates = {"scarce": scarce, "a": clocked(*[2.0] * 9)}
    assert autotune.benchmark(candidates, current_device()) == {"a": 2.0}
    with pytest.raises(MemoryError, match="of a candidate"):
        autotune.benchmark({"scarce": scarce}, current_device())


def test_the_candidate_that_takes_least_is_the_fastest(file, forget, clocked):
    candidates = {"slow": clocked(*[2.0] * 9), "fast": clocked(*[1.0] * 9), "slower": clocked(*[3.0] * 9)}
    assert autotune.fastest(current_device(), "a product", candidates) == "fast"
    forget()
    candidates = dict.fromkeys(candidates, lambda: pytest.fail("called"))
    assert autotune.fastest(current_device(), "a product", candidates) == "fast"


def test_during_capture_a_known_choice_is_taken_else_the_first(file):
    device, candidates = current_device(), dict.fromkeys(("a", "b"), lambda: pytest.fail("called"))
    with backend.capturing():
        assert autotune.fastest(device, "a product", candidates) == "a"
    autotune.table(device)["a product"] = "b"
    with backend.capturing():
        assert autotune.fastest(device, "a product", candidates) == "b"
