"""Choices by time are made once on a machine, and a file that is in the way of that costs nothing but time."""

import json
from math import ceil
from types import SimpleNamespace

import pytest

from tinyfft import backend, choices
from tinyfft.backend import current_device

METHODS = ("fft", "direct")


@pytest.fixture
def file(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choices, "_known", {})
    return tmp_path / "cache" / "choices.json"


@pytest.fixture
def forget(monkeypatch):
    """As another process begins."""
    return lambda: monkeypatch.setattr(choices, "_known", {})


def choose(answer, what="a layer"):
    """(what was chosen, whether that was asked for)."""
    asked = []
    found = choices.chosen(current_device(), what, METHODS, lambda: asked.append(True) or answer)
    return found, bool(asked)


def test_it_is_chosen_once(file, forget):
    assert choose("fft") == ("fft", True)
    assert choose("direct") == ("fft", False)
    forget()
    assert choose("direct") == ("fft", False)
    assert choose("direct", "another layer") == ("direct", True)
    forget()
    assert choose("fft", "another layer") == ("direct", False)


def test_another_process_loses_nothing(file, forget):
    choose("fft")
    known = dict(choices._known)
    forget()
    choose("direct", "of the other")
    choices._known.update({device: dict(of) for device, of in known.items()})
    choose("direct", "a third")
    forget()
    assert choose("-") == ("fft", False)
    assert choose("-", "of the other") == ("direct", False)
    assert choose("-", "a third") == ("direct", False)


@pytest.mark.parametrize("changed", ["hardware", "numpy", "BLAS threads"])
def test_another_machine_chooses_for_itself(file, forget, monkeypatch, changed):
    choose("fft")
    describe = choices.machine.describe
    monkeypatch.setattr(choices.machine, "describe", lambda device: describe(device) | {changed: "another"})
    forget()
    assert choose("direct") == ("direct", True)
    monkeypatch.undo()


def test_another_version_begins_anew(file, forget, monkeypatch):
    choose("fft")
    monkeypatch.setattr(choices.tinyfft, "__version__", "99")
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
def test_a_damaged_file_is_none(file, forget, content):
    machine = json.dumps(choices.machine.describe(current_device()))[1:-1].replace("\\", "\\\\").replace('"', '\\"')
    content = content.replace("VERSION", choices.tinyfft.__version__).replace("MACHINE", "{" + machine + "}")
    file.parent.mkdir()
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert choose("fft") == ("fft", True)
    forget()
    assert choose("direct") == ("fft", False)


def test_where_nothing_can_be_written_it_is_chosen_in_each_process(file, forget):
    file.parent.write_text("no folder")
    assert choose("fft") == ("fft", True)
    assert choose("direct") == ("fft", False)
    forget()
    assert choose("direct") == ("direct", True)


def test_without_a_home_too(file, forget, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(choices.files, "cache_folder", no_home)
    assert choose("fft") == ("fft", True)
    forget()
    assert choose("direct") == ("direct", True)


@pytest.fixture
def way(monkeypatch):
    """Makes ways that move a clock's hand, each call by its own seconds; no time passes."""
    now = [0.0]
    monkeypatch.setattr(choices.time, "perf_counter", lambda: now[0])

    def make(*seconds):
        left = iter(seconds)

        def call():
            now[0] += next(left, 9.0)

        return call

    return make


def test_a_way_takes_what_its_fastest_call_takes_after_one_that_warms_up(way):
    ways = {"a": way(0.5, 3.0, 1.0, 3.0), "b": way(0.5, 2.0, 2.0, 2.0)}
    assert choices.seconds(ways, current_device()) == {"a": 1.0, "b": 2.0}


SHORT = choices.LEAST / 4


def test_a_short_call_is_repeated_within_a_turn(way):
    """One that warms up; then in each turn one, which says how often, and those that count."""
    counted = [[1.0, 1.0, 1.0, 2.0], [0.5, 0.5, 1.0, 1.0], [1.0, 2.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]
    short = way(0.0, *(SHORT * factor for turn in counted for factor in (1.0, *turn)))
    assert choices.seconds({"short": short}, current_device()) == {"short": pytest.approx(0.75 * SHORT)}
    before = choices.time.perf_counter()
    short()
    assert choices.time.perf_counter() - before == 9.0  # all the others have been made, and no more


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        (choices.LEAST, 1),
        (50 * choices.LEAST, 1),
        (0.9 * choices.LEAST, 1 + 2),
        (SHORT, 1 + 4),
        (0.0, 1 + ceil(choices.LEAST / 1e-6)),
    ],
)
def test_a_turn_takes_its_least_time_or_one_call(way, seconds, calls):
    """Also where the clock stands still."""
    made, call = [], way(*[seconds] * 4000)
    assert choices._seconds_of(lambda: made.append(call()), current_device()) == pytest.approx(seconds)
    assert len(made) == calls


@pytest.mark.parametrize("factor", [0.25, 2.0])
def test_recorded_calls_are_launched_in_a_row_and_waited_for_once(monkeypatch, factor):
    """On a device whose time passes when it is waited for, 10 us more for the host."""
    now, queued, waited, launches = [0.0], [0.0], [], []
    host, seconds = 1e-5, factor * choices.LEAST / choices.RECORDED  # of the wait, and of a call

    def call():
        queued[0] += seconds

    def synchronize():
        now[0] += queued[0] + host
        queued[0] = 0.0
        waited.append(True)

    def capture(work, device):
        return lambda: launches.append(True) or work()

    monkeypatch.setattr(choices.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(choices.gpu, "capture", capture)
    device = SimpleNamespace(records=True, synchronize=synchronize)
    in_a_row = 4 if factor < 1 else 1
    noise = host / (in_a_row * choices.RECORDED)
    assert choices._seconds_of(call, device) == pytest.approx(seconds + noise)
    assert len(launches) == (1 + in_a_row if factor < 1 else 1)
    assert len(waited) == (4 if factor < 1 else 2)


def test_ways_for_which_there_is_no_memory_are_left_out(way):
    def scarce():
        raise MemoryError("of a way")

    ways = {"scarce": scarce, "a": way(*[2.0] * 9)}
    assert choices.seconds(ways, current_device()) == {"a": 2.0}
    with pytest.raises(MemoryError, match="of a way"):
        choices.seconds({"scarce": scarce}, current_device())


def test_the_way_that_takes_least_is_the_fastest(file, forget, way):
    ways = {"slow": way(*[2.0] * 9), "fast": way(*[1.0] * 9), "slower": way(*[3.0] * 9)}
    assert choices.fastest(current_device(), "a product", ways) == "fast"
    forget()
    ways = dict.fromkeys(ways, lambda: pytest.fail("called"))
    assert choices.fastest(current_device(), "a product", ways) == "fast"


def test_in_a_recording_what_is_known_is_taken_and_else_the_last(file):
    device, ways = current_device(), dict.fromkeys(("a", "b"), lambda: pytest.fail("called"))
    with backend.recording():
        assert choices.fastest(device, "a product", ways) == "b"
    choices.chosen(device, "a product", ways, lambda: "a")
    with backend.recording():
        assert choices.fastest(device, "a product", ways) == "a"
