"""Chunks: they cover a pass once, stay within the limit, and cost least."""

from dataclasses import replace
from itertools import pairwise, product
from math import ceil, inf, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import least_bytes, most_chunks

from tinyfft.arena import LimitError
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.chunks import CHUNK_BYTES, NARROW_GEMM_PENALTY, chunks
from tinyfft.fourier.plan import OPS_PER_NUMBER_MOVED, plan_convolution

SMALL = st.integers(1, 12)


def plan(S, C, F, size=12, kernel=5, kind="cpu"):
    return plan_convolution(S, C, F, Axis(size, kernel), Axis(size + 3, kernel), kind=kind)


@st.composite
def limits(draw):
    """(plan, which maps are cut, limit) from the least that is possible to a little more than all needs."""
    whole = plan(draw(SMALL), draw(SMALL), draw(SMALL), kind=draw(st.sampled_from(["cpu", "cuda"])))
    return whole, draw(st.sampled_from("CF")), draw(st.integers(least_bytes(whole), whole.arena_bytes + 1))


def columns(plan):
    """The kx that a plan computes; on a GPU all of them."""
    return range(plan.x.N // 2 + 1) if plan.kx is None else plan.kx


def members(part):
    return range(part.start, part.stop)


@given(limits())
def test_every_sample_map_and_column_is_in_one_part_that_fits(case):
    whole, maps, limit = case
    found = chunks(whole, maps, limit)
    met = [
        point
        for c in found
        for part in c.blocks
        for point in product(members(part.index["S"]), members(part.index[maps]), columns(part.plan))
    ]
    assert sorted(met) == list(product(range(whole.S), range(getattr(whole, maps)), columns(whole)))
    others = [name for name in ("C", "F") if name != maps]
    for chunk in found:
        for part in chunk.blocks:
            of_plan = (part.plan.S, getattr(part.plan, maps))
            assert of_plan == (len(members(chunk.held.index["S"])), len(members(part.index[maps])))
            assert part.index["S"] == chunk.held.index["S"]
            assert part.plan.arena_bytes <= chunk.plan.arena_bytes <= limit
            assert all(getattr(part.plan, each) == getattr(whole, each) for each in ("lengths", "kind", *others))
            assert columns(part.plan) == columns(chunk.plan)  # so that the spectrum which is held is of use to all
        assert (chunk.held.first, chunk.held.last) == (0 in columns(chunk.plan), whole.x.N // 2 in columns(chunk.plan))


@given(limits())
def test_frequencies_follow_each_other_for_the_same_samples(case):
    found = chunks(*case)
    rounds = sum(chunk.held.first for chunk in found)
    assert [chunk.held.first for chunk in found] == ([True] + [False] * (len(found) // rounds - 1)) * rounds


@given(limits())
def test_sizes_differ_by_one_so_that_there_are_few_plans(case):
    _, maps, _ = case
    plans = {part.plan for chunk in chunks(*case) for part in chunk.blocks}
    for sizes in ({p.S for p in plans}, {getattr(p, maps) for p in plans}, {len(columns(p)) for p in plans}):
        assert max(sizes) - min(sizes) <= 1
    ranges = {columns(p).start for p in plans}
    assert len(plans) == len({(p.S, getattr(p, maps), columns(p)) for p in plans}) <= 4 * len(ranges)


@settings(deadline=None, max_examples=30)
@given(limits())
def test_no_other_way_that_fits_costs_less(case):
    whole, maps, limit = case
    moving, count = OPS_PER_NUMBER_MOVED[whole.kind], getattr(whole, maps)
    of_w = whole.transform_operations("w") + moving * prod(whole.spectrum_shape("w"))

    def cost(n, m, ranges):
        slow = 1 + (NARROW_GEMM_PENALTY * n / whole.S) ** 2 + (NARROW_GEMM_PENALTY * m / count) ** 2
        return n * of_w + slow * whole.product_operations + ranges * moving / 2 * whole.points

    costs = [
        cost(n, m, ranges)
        for n, m, ranges in product(*(range(1, size + 1) for size in (whole.S, count, len(columns(whole)))))
        if (ranges == 1 or whole.kind == "cpu") and fits(whole, maps, n, m, ranges, limit)
    ]
    found = chunks(whole, maps, limit)
    n, m = len({chunk.held.index["S"].start for chunk in found}), len(found[0].blocks)
    assert cost(n, m, len(found) // n) == pytest.approx(min(costs))


def fits(whole, maps, n, m, ranges, limit):
    """Whether all of n x m x ranges parts, as equal as can be, stay within the limit."""
    half, count = whole.x.N // 2 + 1, getattr(whole, maps)
    edges = [i * half // ranges for i in range(ranges + 1)]
    of_kx = [None] if ranges == 1 else [range(a, b) for a, b in pairwise(edges)]
    sizes = product({whole.S // n, ceil(whole.S / n)}, {count // m, ceil(count / m)}, of_kx)
    return all(replace(whole, S=S, kx=kx, **{maps: size}).arena_bytes <= limit for S, size, kx in sizes)


@pytest.mark.parametrize("limit", [inf, 1 << 40])
def test_without_need_the_cpu_takes_no_more_than_enough(monkeypatch, limit):
    whole = plan(4, 3, 5)
    enough = whole.arena_bytes // 2
    monkeypatch.setitem(CHUNK_BYTES, "cpu", enough)
    chunks.cache_clear()
    found = chunks(whole, "F", limit)
    assert found == chunks(whole, "F", enough)
    assert parts(found) > 1
    assert parts(chunks(whole, "F", limit, in_one=True)) == 1
    monkeypatch.setitem(CHUNK_BYTES, "cpu", 1)  # which cannot be had
    chunks.cache_clear()
    assert parts(chunks(whole, "F", limit)) == 1
    chunks.cache_clear()


def parts(found):
    return sum(len(chunk.blocks) for chunk in found)


@pytest.mark.parametrize("maps", ["C", "F"])
def test_what_fits_is_one_chunk_with_the_plan_itself(maps):
    whole = plan(4, 3, 5)
    for limit in (whole.arena_bytes, inf):
        (chunk,) = chunks(whole, maps, limit)
        assert [part.plan for part in chunk.blocks] == [whole]
        assert chunk.held.whole
    assert not any(chunk.held.whole for chunk in chunks(whole, maps, whole.arena_bytes - 1))


def test_a_step_finds_the_plans_of_the_one_before():
    whole = plan(5, 3, 5)
    first, second = (chunks(whole, "C", least_bytes(whole)) for _ in range(2))
    assert parts(first) == most_chunks(whole)
    for a, b in zip(first, second, strict=True):
        assert all(p.plan is q.plan for p, q in zip(a.blocks, b.blocks, strict=True))


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_less_than_one_sample_and_one_map_is_an_error(kind):
    whole = plan(4, 3, 5, kind=kind)
    least = least_bytes(whole, "C")
    assert parts(chunks(whole, "C", least)) > 1
    with pytest.raises(LimitError, match=rf"need {least} bytes of the arena, arena.limit_bytes allows {least - 1}$"):
        chunks(whole, "C", least - 1)
