"""The plan: lengths, windows, bytes and operations, from their definitions."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spectra import SHARED

from tinyfft.fourier.axis import Axis, candidates
from tinyfft.fourier.gpu.kernel import specialise
from tinyfft.fourier.plan import CANDIDATES, MAX_COST_RATIO, Plan, plan_convolution, plan_convolutions


def plan(S=2, C=3, F=4, size=32, kernel=7, stride=1, padding=0, tile=None, itemsize=4, kind="cpu"):
    axis = Axis(size, kernel, stride, padding, padding)
    return plan_convolution(S, C, F, axis, axis, itemsize, tile, kind)


def test_each_phase_of_a_stride_costs_its_square_less():
    maps = {"S": 64, "C": 64, "F": 64, "kind": "cuda"}  # enough of them that no plan is tiled
    one = plan(**maps, size=48, kernel=12)
    for stride in (2, 3, 4):
        strided = plan(**maps, size=48, kernel=12, stride=stride)
        assert strided.phases == stride**2
        assert strided.product_operations / strided.phases == pytest.approx(
            one.product_operations / stride**2, rel=0.15
        )
        assert strided.transform_operations("y") == pytest.approx(one.transform_operations("y") / stride**2, rel=0.35)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_operations_fall_with_the_square_of_the_stride_where_phases_have_no_taps(stride):
    one, strided = (plan(S=64, C=64, F=64, size=48, kernel=1, stride=s) for s in (1, stride))
    assert strided.phases == 1
    assert strided.product_operations == pytest.approx(one.product_operations / stride**2, rel=0.15)
    assert strided.pass_operations < 1.15 * one.pass_operations / stride**2


def test_direct_operations_fall_with_the_square_of_the_stride():
    one, two = (plan(size=33, kernel=3, stride=stride).direct_operations for stride in (1, 2))
    assert one == 2 * 2 * 4 * 31 * 31 * 3 * 9
    assert two == 2 * 2 * 4 * 16 * 16 * 3 * 9


def test_operations_and_bytes_of_one_layer_by_hand():
    layer = plan(S=128, C=96, F=256, size=32, kernel=7, padding=3, kind="cuda")
    assert layer.lengths == (35, 35)
    assert layer.Q == (35 * 35 + 1) // 2 == 613
    assert layer.product_operations == 8 * 613 * 128 * 96 * 256
    assert layer.spectra_bytes == 8 * 613 * (128 * 96 + 128 * 256 + 96 * 256)
    assert layer.paper_bytes == 4 * 35 * 36 * (128 * 96 + 128 * 256 + 96 * 256)
    assert layer.spectrum_shape("x") == (613, 128, 96)
    assert layer.spectrum_shape("w") == (613, 256, 96)
    assert layer.spectrum_shape("y") == (613, 128, 256)


@pytest.mark.parametrize(("C", "F", "room"), [(1, 32, (32, 32)), (33, 31, (64, 32)), (64, 65, (64, 96))])
def test_bf16_takes_maps_in_whole_runs(C, F, room):
    axis = Axis(32, 6, 2, 2, 2)
    layer = plan_convolution(5, C, F, axis, axis, kind="cuda", precision="bf16")
    of_x, of_w, of_y = ((5, room[0]), (room[1], room[0]), (5, room[1]))
    assert [layer.padded_shape(name) for name in "xwy"] == [of_x, of_w, of_y]
    assert layer.spectrum_shape("x") == (layer.Q, 5 * layer.tiles, 4 * room[0])
    assert layer.spectrum_shape("w") == (layer.Q, room[1], 4 * room[0])
    assert layer.spectrum_shape("y") == (layer.Q, 5 * layer.tiles, room[1])
    assert [layer.spectrum_bytes(name) for name in "xw"] == [
        4 * layer.Q * 5 * layer.tiles * 4 * room[0],
        4 * layer.Q * room[1] * 4 * room[0],
    ]


@pytest.mark.parametrize(("precision", "itemsize"), [("fp32", 4), ("bf16", 4), ("fp32", 8)], ids=str)
@pytest.mark.parametrize("size", [90, 102, 107, 112, 124, 126, 224])
def test_planes_fit_into_the_shared_memory_of_small_gpus(size, precision, itemsize):
    for kernel in (1, 3, 11):
        axis = Axis(size, kernel, 1, kernel // 2, kernel // 2)
        for of_size in plan_convolutions(16, 64, 64, axis, axis, itemsize, kind="cuda", precision=precision):
            for name, plane in (("x", size), ("w", kernel), ("y", size)):
                for stem in ("spectrum", "signal"):
                    special = specialise(stem, of_size, name, (plane, plane), SHARED, conjugate=False)
                    assert special.shared_bytes <= SHARED


def test_numbers_of_eight_bytes_are_never_bf16():
    axis = Axis(32, 5)
    layer = plan_convolution(2, 3, 4, axis, axis, 8, kind="cuda", precision="bf16")
    assert layer.padded_shape("w") == (4, 3)
    assert layer.spectrum_dtype == "complex128"


def test_numbers_are_three_reals_on_the_cpu():
    sizes = {"S": 128, "C": 96, "F": 256, "size": 32, "kernel": 7, "padding": 3}
    layer, complex_ = plan(**sizes), plan(**sizes, kind="cuda")
    assert layer.spectrum_shape("x") == (3 * 613, 128, 96)
    assert layer.spectrum_dtype == "float32"
    assert layer.spectra_bytes == 1.5 * complex_.spectra_bytes


@pytest.mark.parametrize(
    ("S", "n", "f", "out", "megabytes"),
    [
        (128, 16, 96, 256, 76),
        (128, 32, 96, 256, 294),
        (64, 64, 96, 256, 784),
        (128, 64, 96, 256, 1159),
        (64, 16, 256, 384, 151),
        (64, 32, 256, 384, 588),
        (64, 16, 384, 384, 214),
        (64, 32, 384, 384, 830),
    ],
)
def test_the_papers_memory_table(S, n, f, out, megabytes):
    """The last four rows are printed with S = 128 in the paper; the figures belong to S = 64."""
    assert int(plan(S=S, C=f, F=out, size=n, kernel=1, kind="cuda").paper_bytes / 1e6) == pytest.approx(
        megabytes, abs=1
    )


@pytest.mark.parametrize("itemsize", [4, 8])
def test_one_sample_and_one_map_need_no_cacheful_of_scratch(itemsize):
    axis = next(c for c in candidates(Axis(16, 3), kind="cpu") if c.tile is None)
    one = Plan(1, 2, 1, axis, axis, itemsize)
    planes = 2 * itemsize * (2 * 16 * 16 + 2 * 9 * 16)  # of two maps: mask, points, half way
    assert one.lengths == (16, 16)
    assert one.spectra_bytes + planes <= one.arena_bytes <= one.spectra_bytes + planes + 8 * 256


def test_tiles_take_scratch_for_their_spectra():
    tiled = plan(S=1, C=1, F=1, size=32, kernel=5, tile=12)
    assert tiled.tiles > 1 == tiled.cells("w")
    assert tiled.lengths == (16, 16)
    assert tiled.plane_scratch("x", 1) == 2 * 16 * 16 + 2 * 9 * 16 + 3 * 130
    assert tiled.plane_scratch("w", 1) == 2 * 5 * 5 + 2 * 9 * 5


def test_many_maps_of_large_tiles_are_not_copied():
    tiled = plan(S=1, C=1, F=1, size=100, kernel=9, tile=24)
    assert tiled.lengths == (32, 32)
    assert [tiled.one_sample_at_a_time("x", maps) for maps in (31, 32)] == [False, True]
    assert tiled.plane_scratch("x", 31) - tiled.plane_scratch("x", 32) == 3 * tiled.Q
    assert not tiled.one_sample_at_a_time("w", 32)  # which has no tiles
    small = plan(S=1, C=1, F=1, size=100, kernel=5, tile=12)
    assert small.tiles > 1
    assert not small.one_sample_at_a_time("x", 32)


def test_bytes_double_in_float64():
    assert plan(itemsize=8).spectra_bytes == 2 * plan(itemsize=4).spectra_bytes
    assert plan(itemsize=8).spectrum_dtype == "float64"
    assert plan(itemsize=8, kind="cuda").spectrum_dtype == "complex128"


def test_forced_tiles():
    tiled = plan(size=40, kernel=5, padding=2, tile=16)
    assert (tiled.y.tile, tiled.y.tiles, tiled.lengths) == (16, 3, (20, 20))
    assert tiled.spectrum_shape("y") == (3 * tiled.Q, 2 * 9, 4)


def test_large_images_are_tiled_and_small_ones_are_not():
    assert plan(S=1, C=1, F=1, size=1000, kernel=5).tiles > 1
    assert plan(S=128, C=96, F=256, size=32, kernel=7, padding=3).tiles == 1


def test_the_chosen_plan_costs_least_of_all_candidates_that_are_not_tiled():
    axis = Axis(64, 9)
    chosen = plan(S=16, C=3, F=8, size=64, kernel=9)
    whole = next(c for c in candidates(axis, kind="cpu") if c.tile is None)
    assert chosen.pass_operations <= type(chosen)(16, 3, 8, whole, whole).pass_operations


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sizes=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    kernel=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kind=st.sampled_from(["cpu", "cuda"]),
)
def test_plans_that_may_be_the_fastest(sizes, kernel, kind):
    axes = [Axis(max(size, k), k) for size, k in zip(sizes, kernel, strict=True)]
    arguments = (4, 3, 5, *axes, 4, None, kind)
    plans = plan_convolutions(*arguments)
    cost = [plan.cost for plan in plans]
    assert plans[0] is plan_convolution(*arguments)
    assert 1 <= len(plans) <= CANDIDATES
    assert cost[0] == min(cost)
    assert max(cost) <= MAX_COST_RATIO * cost[0]
    assert all(a.y != b.y and a.x != b.x for a, b in combinations(plans, 2))
    assert all(plans[1].tiles <= plan.tiles for plan in plans[2:])
