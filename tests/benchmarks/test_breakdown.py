"""Breakdown of an iteration: launches are grouped, counted and summed, on a fake device."""

import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest

import tinyfft
from benchmarks import breakdown
from benchmarks.clock import occupy
from benchmarks.watch import GROUPS, Watch
from tinyfft import nn
from tinyfft.cuda import cublas, launch
from tinyfft.cuda.source import Source, kernel_directory, kernel_source
from tinyfft.fourier import product
from tinyfft.fourier.gpu import transforms

WATCHED = ((transforms, "run"), (launch, "run"), (cublas, "gemm"), (product, "product"))


@pytest.fixture
def device(monkeypatch):
    """A fake GPU. Each recorded event advances its clock by one millisecond; `done` lists the launches."""
    ticks, done = itertools.count(), []

    class Event:
        def record(self):
            self.at = next(ticks)

    for module, name in WATCHED:
        monkeypatch.setattr(module, name, lambda *arguments, **options: done.append((arguments, options)))
    cuda = SimpleNamespace(Event=Event, get_elapsed_time=lambda start, end: float(end.at - start.at))
    xp = SimpleNamespace(ndarray=np.ndarray, cuda=cuda)
    return SimpleNamespace(xp=xp, synchronize=lambda: None, done=done)


def floats(*shape):
    return np.ones(shape, np.float32)


def test_each_launch_is_timed_and_its_bytes_counted(device):
    x, hat = floats(2, 3, 4, 4), np.ones((6, 2, 3), np.complex64)
    weights, rate = floats(10), np.ones(1)
    with Watch(device) as watch:
        transforms.run("spectrum", None, "x", x, device, (x, hat, None, None), conjugate=True)
        transforms.run("signal", None, "w", x, device, (hat, x, None, np.float32(1)), accumulate=True)
        launch.run(Source("sgd", ""), "sgd", (1, 1), 8, (weights, weights, weights, rate, None, np.float32(0)), device)
        launch.run(Source("max_pool", ""), "max_pool", (1, 1), 8, (x, floats(2, 3, 2, 2), np.int64(24)), device)
    assert len(device.done) == 4
    assert device.done[0] == (("spectrum", None, "x", x, device, (x, hat, None, None)), {"conjugate": True})
    assert watch.milliseconds() == {"transforms": 2.0, "pooling": 1.0, "optimizer": 1.0}
    moved = {"transforms": 2 * (x.nbytes + hat.nbytes) + x.nbytes, "pooling": x.nbytes + 96, "optimizer": 5 * 40 + 8}
    assert watch.floors(1.0, {}) == moved


@pytest.mark.parametrize(
    ("module", "name", "dtype", "group", "each"),
    [
        (product, "product", "complex64", "products", 8),
        (product, "product", "uint32", "products", 8),
        (cublas, "gemm", "float32", "linear layer", 2),
    ],
)
def test_products_are_counted_by_operations_or_bytes(device, module, name, dtype, group, each):
    a, b, out = (np.ones(shape, dtype) for shape in ((5, 2, 7), (5, 2, 3), (5, 7, 3)))
    with Watch(device) as watch:
        getattr(module, name)(a, b, out, device, transpose_a=True)
    assert device.done == [((a, b, out, device), {"transpose_a": True})]
    assert watch.milliseconds() == {group: 1.0}
    assert watch.floors(1e9, {dtype: 10.0})[group] == each * 5 * 7 * 3 * 2 / 10
    assert watch.floors(4.0, {dtype: 1e9})[group] == (a.nbytes + b.nbytes + out.nbytes) / 4


@pytest.mark.parametrize(
    "inner", [lambda *a: cublas.gemm(*a), lambda *a: launch.run(Source("s", ""), "s", (1, 1), 8, a)]
)
def test_a_launch_inside_a_product_is_not_counted_again(device, monkeypatch, inner):
    monkeypatch.setattr(product, "product", inner)
    a, out = np.ones((5, 2, 2), np.complex64), np.ones((5, 2, 2), np.complex64)
    with Watch(device) as watch:
        product.product(a, a, out, device)
        launch.run(Source("cross_entropy", ""), "mean", (1, 1), 8, (out,), device)
    assert len(device.done) == 2
    assert watch.milliseconds() == {"products": 1.0, "loss": 1.0}


def test_the_engine_calls_the_product_that_is_watched(monkeypatch):
    calls = []
    monkeypatch.setattr(product, "product", lambda *arguments, **options: calls.append(options))
    nn.FFTConvolution(2, 3, 3).forward(tinyfft.current_device().array(floats(1, 2, 8, 8)))
    assert len(calls) == 1


def test_watching_ends_with_the_original_functions(device):
    before = [getattr(*names) for names in WATCHED]
    with Watch(device):
        during = [getattr(*names) for names in WATCHED]
    assert not set(during) & set(before)
    assert [getattr(*names) for names in WATCHED] == before


def test_every_kernel_of_ours_has_a_group():
    """Except those that no iteration launches."""
    known = {name for kernels in GROUPS.values() for name in kernels}
    pattern = r'extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\('
    ours = {name for path in kernel_directory().rglob("*.cu") for name in re.findall(pattern, kernel_source(path.stem))}
    assert ours - known == {"minibatch"}


FOUND = {
    "machine": {"hardware": "a GPU", "device": "cuda:0"},
    "command": "python -m it",
    "copy_gb_per_s": 4000.0,
    "rows": [
        {
            "config": "paper",
            "precision": precision,
            "iteration_ms": 8.0,
            "groups": {"products": 5.0, "transforms": 2.0, "rest": 1.0},
            "floors": {"products": 4.0, "transforms": 1.5, "rest": 0.5},
            "floor_ms": 6.0,
        }
        for precision in ("fp32", "tf32")
    ],
}


def test_the_table_has_parts_and_the_whole():
    lines = breakdown.markdown(FOUND).splitlines()
    assert "A copy reads and writes 4000 GB/s together." in lines
    assert lines[-4:] == [
        "| paper | tf32 | products | 5.000 | 4.000 |",
        "| paper | tf32 | transforms | 2.000 | 1.500 |",
        "| paper | tf32 | rest | 1.000 | 0.500 |",
        "| paper | tf32 | **whole**, 1.33 x the sum of floors | 8.000 | 6.000 |",
    ]


def test_the_figure_names_the_parts(tmp_path):
    pytest.importorskip("matplotlib")
    breakdown.plot(FOUND, tmp_path / "new")
    drawn = (tmp_path / "new" / "breakdown.svg").read_text()
    for text in ("products", "sum of floors", "paper, fp32", "paper, tf32"):
        assert f"<!-- {text} -->" in drawn


@pytest.mark.gpu
def test_occupy_restores_the_stream_that_can_be_captured():
    device = tinyfft.use_device("cuda")
    occupy(device)
    assert device.captures
