"""Convolution's choice of a method: by measured time, or by operations if the layer is deterministic."""

from types import SimpleNamespace

import numpy as np
import pytest
from limits import least_bytes, limited
from measure import FP32_BOUND, error
from reference import gradients

from tinyfft import autotune, nn
from tinyfft.fourier import convolution as engine
from tinyfft.nn import method_tuner
from tinyfft.ops import direct_convolution as direct

SHAPES = {"fft": ((4, 8, 32, 32), 13), "direct": ((2, 2, 8, 8), 1)}  # for each method a case with fewer operations


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """A list that grows by the name of each measured pass; the cache is empty at first."""
    passes, benchmark = [], autotune.benchmark

    def record(candidates, device):
        passes.append(next(iter(candidates.values())).args[1])
        return benchmark(candidates, device)

    monkeypatch.setattr(autotune, "_tables", {})
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path))
    monkeypatch.setattr(autotune, "benchmark", record)
    return passes


def run(layer, x):
    layer.backward(x, np.ones_like(layer.forward(x)))


@pytest.mark.parametrize("method", SHAPES)
def test_deterministic_compares_operations_without_measuring(method, measured, rng):
    shape, kernel_size = SHAPES[method]
    layer = nn.Convolution(shape[1], 4, kernel_size, deterministic=True)
    plan = layer.plan(shape)
    assert (plan.pass_operations < plan.direct_operations) == (method == "fft")
    run(layer, rng.standard_normal(shape, dtype=np.float32))
    assert set(layer.algorithms.values()) == {method}
    assert measured == []
    assert repr(layer).endswith(f", auto, deterministic: {method})")


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("algorithm", SHAPES)
def test_an_explicit_algorithm_runs(algorithm, deterministic, rng):
    layer = nn.Convolution(2, 4, 3, algorithm=algorithm, deterministic=deterministic)
    run(layer, rng.standard_normal((2, 2, 9, 9), dtype=np.float32))
    assert set(layer.algorithms.values()) == {algorithm}


def test_measurements_are_cached_for_the_next_process(measured, monkeypatch, rng):
    layer, x = nn.Convolution(2, 3, 3), rng.standard_normal((4, 2, 9, 9), dtype=np.float32)
    run(layer, x)
    assert measured == list(engine.PASSES)
    monkeypatch.setattr(autotune, "_tables", {})
    other = nn.Convolution(2, 3, 3)
    run(other, x)
    assert len(measured) == 3
    assert other.choices == layer.choices


def test_auto_measures_again_for_another_limit(measured, rng):
    layer = nn.Convolution(2, 3, 3)
    x = rng.standard_normal((4, 2, 9, 9), dtype=np.float32)
    run(layer, x)
    run(layer, x)
    assert measured == list(engine.PASSES)
    with limited(layer.device, layer.plan(x.shape).arena_bytes):
        run(layer, x)
    assert len(measured) == 6


def test_the_direct_method_is_not_measured_with_too_many_operations(measured, monkeypatch, rng):
    shape, kernel_size = SHAPES["fft"]
    monkeypatch.setattr(autotune, "benchmark", lambda *_: pytest.fail("timed"))
    layer = nn.Convolution(shape[1], 4, kernel_size)
    plan = layer.plan(shape)
    ratio = plan.direct_operations / plan.pass_operations
    monkeypatch.setitem(method_tuner.DIRECT_MAX_OPS_RATIO, "cpu", 0.999 * ratio)
    run(layer, rng.standard_normal(shape, dtype=np.float32))
    assert set(layer.algorithms.values()) == {"fft"}


@pytest.mark.parametrize("deterministic", [False, True])
def test_the_direct_method_is_not_chosen_without_memory(deterministic, measured, rng):
    shape, kernel_size = SHAPES["direct"]
    layer = nn.Convolution(shape[1], 4, kernel_size, deterministic=deterministic)
    with limited(layer.device, direct.scratch_bytes(layer.plan(shape)) - 1):
        run(layer, rng.standard_normal(shape, dtype=np.float32))
    assert set(layer.algorithms.values()) == {"fft"}
    assert measured == []


@pytest.fixture
def clock(monkeypatch, measured):
    """A clock with settable `seconds` for each candidate, and the list `timed` of measured candidates."""
    clock = SimpleNamespace(seconds={}, timed=[])

    def benchmark(candidates, device):
        clock.timed.append(list(candidates))
        for call in candidates.values():
            call()
        return {name: clock.seconds.get(name, 9.0) for name in candidates}

    monkeypatch.setattr(autotune, "benchmark", benchmark)
    return clock


WIDE = (2, 3, 64, 64)  # with 9 x 9 taps several plans cost about the same


def test_all_passes_use_the_fastest_plan(clock, rng):
    layer, x = nn.Convolution(3, 4, 9), rng.standard_normal(WIDE, dtype=np.float32)
    clock.seconds = {"fft 2": 1.0}
    run(layer, x)
    assert layer.plan(WIDE) is layer.plans(WIDE)[1]
    assert clock.timed[0] == ["fft", "fft 2", "fft 3", "direct"]
    assert clock.timed[1:] == [["fft 2", "direct"]] * 2  # the backward passes use the forward pass's plan
    assert [choice for *_, choice in layer.choices] == ["fft 2"] * 3


def test_given_choices_are_not_measured(clock, rng):
    layer, x = nn.Convolution(3, 4, 9), rng.standard_normal(WIDE, dtype=np.float32)
    layer.choices = [(name, WIDE, None, "fft 2") for name in engine.PASSES]
    run(layer, x)
    assert clock.timed == []
    assert layer.plan(WIDE) is layer.plans(WIDE)[1]


def test_after_a_direct_pass_all_plans_are_candidates(clock, monkeypatch, rng):
    monkeypatch.setitem(method_tuner.DIRECT_MAX_OPS_RATIO, "cpu", np.inf)
    layer, x = nn.Convolution(3, 4, 9), rng.standard_normal(WIDE, dtype=np.float32)
    clock.seconds = {"direct": 1.0}
    y = layer.forward(x)
    clock.seconds = {"fft 2": 1.0}
    layer.backward(x, np.ones_like(y))
    assert [choice for *_, choice in layer.choices] == ["direct", "fft 2", "fft 2"]
    assert clock.timed[1][-1] == "direct"
    assert clock.timed[2] == ["fft 2", "direct"]


def test_a_plan_over_the_limit_is_not_chosen(clock, rng):
    layer, x = nn.Convolution(3, 4, 9), rng.standard_normal(WIDE, dtype=np.float32)
    needed = [least_bytes(plan) for plan in layer.plans(WIDE)]
    assert needed[0] < needed[2] < needed[1]
    clock.seconds = {"fft 2": 1.0}
    with limited(layer.device, needed[2]):
        run(layer, x)
    assert clock.timed == [["fft", "fft 3"]]
    clock.seconds = {"fft 3": 1.0}
    with limited(layer.device, needed[0]):
        run(layer, x)
    assert len(clock.timed) == 1
    assert layer.plan(WIDE) is layer.plans(WIDE)[0]


@pytest.mark.parametrize(("missing", "kept"), [(0, True), (1, False)])
def test_memory_auto_keeps_spectra_up_to_half_of_the_free_memory(monkeypatch, missing, kept, rng):
    layer = nn.FFTConvolution(3, 4, 9, memory="auto")
    x, plan = rng.standard_normal(WIDE, dtype=np.float32), layer.plan(WIDE)
    free = [2 * (plan.spectrum_bytes("x") + plan.spectrum_bytes("w")) - missing]
    monkeypatch.setattr(type(layer.device), "free_bytes", property(lambda self: free[0]))
    for _ in range(2):  # the decision stays, although the kept spectra have used the free memory
        run(layer, x)
        assert (layer.kept_bytes > 0) == kept
        free[0] = 0
    with limited(layer.device, least_bytes(plan)):
        layer.forward(x)
        assert layer.kept_bytes == 0


@pytest.mark.parametrize("memory", ["keep", "auto"])
def test_a_direct_forward_pass_leaves_no_kept_spectra(clock, monkeypatch, memory, rng):
    """The input's array gets new values without an optimizer's step, so spectra of the old values are stale."""
    monkeypatch.setitem(method_tuner.DIRECT_MAX_OPS_RATIO, "cpu", np.inf)
    layer, x = nn.Convolution(3, 4, 9, memory=memory), rng.standard_normal(WIDE, dtype=np.float32)
    gy = rng.standard_normal((2, 4, 56, 56), dtype=np.float32)
    for _ in range(2):
        clock.seconds = {"direct": 1.0}
        layer.forward(x)
        clock.seconds = {"fft": 1.0}
        layer.zeroGradParameters()
        layer.backward(x, gy)
        assert [choice for *_, choice in layer.choices][:3] == ["direct", "fft", "fft"]
        assert error(layer.gradWeight, gradients(x, layer.weight, gy)[1]) <= FP32_BOUND
        assert layer.kept_bytes == 0
        x[...] = rng.standard_normal(WIDE)


def test_a_plan_that_runs_out_of_memory_is_skipped(measured, monkeypatch, rng):
    layer, x = nn.Convolution(3, 4, 9), rng.standard_normal(WIDE, dtype=np.float32)
    forward, tried = nn.FFTConvolution.updateOutput, []

    def scarce(layer, *arguments):
        tried.append(layer.plans(WIDE).index(layer.plan(WIDE)))
        if tried[-1] == 1:
            raise MemoryError
        return forward(layer, *arguments)

    monkeypatch.setattr(nn.FFTConvolution, "updateOutput", scarce)
    layer.forward(x)
    assert tried.count(1) == 1
    assert layer.choices[0][-1] != "fft 2"


def test_unknown_choices_are_ignored(clock, rng):
    layer, x = nn.Convolution(3, 4, 9), rng.standard_normal(WIDE, dtype=np.float32)
    layer.choices = [("updateOutput", WIDE, None, choice) for choice in ("winograd", "fft x", "fft -7", "fft 0")]
    clock.seconds = {"fft": 1.0}
    run(layer, x)
    assert [choice for *_, choice in layer.choices] == ["fft"] * 3


def test_another_limit_or_shape_measures_its_own_plans(clock, rng):
    layer, x = nn.Convolution(3, 4, 9), rng.standard_normal(WIDE, dtype=np.float32)
    clock.seconds = {"fft 2": 1.0}
    run(layer, x)
    for limit, input, count in ((least_bytes(layer.plans(WIDE)[2]), x, 2), (2**40, x[:1], 4)):
        clock.timed.clear()
        with limited(layer.device, limit):
            run(layer, input)
        assert len(clock.timed[0]) == count


def test_a_direct_forward_pass_drops_kept_spectra(rng):
    layer, x = nn.Convolution(3, 4, 9, memory="keep"), rng.standard_normal(WIDE, dtype=np.float32)
    for forward in ("fft", "direct"):
        x[...] = rng.standard_normal(WIDE)
        layer.choices = [(name, WIDE, None, forward if name == "updateOutput" else "fft") for name in engine.PASSES]
        gy = np.ones_like(layer.forward(x))
    layer.backward(x, gy)
    assert error(layer.gradWeight, gradients(x, layer.weight, gy)[1]) <= FP32_BOUND


@pytest.mark.parametrize("deterministic", [False, True])
def test_products_get_the_deterministic_flag(monkeypatch, deterministic, rng):
    flags, product = [], engine.product.product
    monkeypatch.setattr(
        engine.product, "product", lambda *a, deterministic, **k: flags.append(deterministic) or product(*a, **k)
    )
    layer = nn.Convolution(2, 3, 3, algorithm="fft", deterministic=deterministic)
    run(layer, rng.standard_normal((1, 2, 5, 5), dtype=np.float32))
    assert flags == [deterministic] * 3
