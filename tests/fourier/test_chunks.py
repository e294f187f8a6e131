"""Chunks: they cover a pass once, stay within the limit, and cost least."""

from dataclasses import replace
from itertools import pairwise, product
from math import ceil, inf, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import least_bytes, most_chunks

from tinyfft.fourier.arena import LimitError
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.chunks import ENOUGH, chunks
from tinyfft.fourier.plan import MOVING, plan_convolution

SMALL = st.integers(1, 12)


def plan(S, C, F, size=12, kernel=5, kind="cpu"):
    return plan_convolution(S, C, F, Axis(size, kernel), Axis(size + 3, kernel), kind=kind)


@st.composite
def limits(draw):
    """(plan, limit) from the least that is possible to a little more than all needs."""
    whole = plan(draw(SMALL), draw(SMALL), draw(SMALL), kind=draw(st.sampled_from(["cpu", "cuda"])))
    return whole, draw(st.integers(least_bytes(whole), whole.arena_bytes + 1))


def columns(plan):
    """The kx that a plan computes; on a GPU all of them."""
    return range(plan.x.N // 2 + 1) if plan.kx is None else plan.kx


@given(limits())
def test_every_sample_map_and_column_is_in_one_chunk_that_fits(case):
    whole, limit = case
    found = chunks(whole, limit)
    met = [
        point
        for c in found
        for point in product(range(*c.samples.indices(99)), range(*c.maps.indices(99)), columns(c.plan))
    ]
    assert sorted(met) == list(product(range(whole.S), range(whole.F), columns(whole)))
    for chunk in found:
        assert (len(range(12)[chunk.samples]), len(range(12)[chunk.maps])) == (chunk.plan.S, chunk.plan.F)
        assert chunk.plan.arena_bytes <= limit
        assert (chunk.plan.lengths, chunk.plan.C, chunk.plan.kind) == (whole.lengths, whole.C, whole.kind)
        assert (chunk.first, chunk.last) == (0 in columns(chunk.plan), whole.x.N // 2 in columns(chunk.plan))


@given(limits())
def test_parts_of_the_frequencies_follow_each_other_for_the_same_samples_and_maps(case):
    found = chunks(*case)
    parts = sum(chunk.first for chunk in found)
    assert [chunk.first for chunk in found] == ([True] + [False] * (len(found) // parts - 1)) * parts


@given(limits())
def test_sizes_differ_by_one_so_that_there_are_few_plans(case):
    found = chunks(*case)
    for sizes in ({c.plan.S for c in found}, {c.plan.F for c in found}, {len(columns(c.plan)) for c in found}):
        assert max(sizes) - min(sizes) <= 1
    parts = {columns(c.plan).start for c in found}
    assert len({c.plan for c in found}) == len({(c.plan.S, c.plan.F, columns(c.plan)) for c in found}) <= 4 * len(parts)


@settings(deadline=None, max_examples=30)
@given(limits())
def test_no_other_way_that_fits_costs_less(case):
    whole, limit = case
    moving = MOVING[whole.kind]
    of_x, of_w = (whole.transform_operations(name) + moving * prod(whole.spectrum_shape(name)) for name in "xw")

    def cost(n, m, parts):
        return m * of_x + n * of_w + parts * moving * whole.points

    costs = [
        cost(n, m, parts)
        for n, m, parts in product(*(range(1, size + 1) for size in (whole.S, whole.F, len(columns(whole)))))
        if (parts == 1 or whole.kind == "cpu") and fits(whole, n, m, parts, limit)
    ]
    found = chunks(whole, limit)
    n, m = (len({getattr(c, axis).start for c in found}) for axis in ("samples", "maps"))
    assert cost(n, m, len(found) // (n * m)) == pytest.approx(min(costs))


def fits(whole, n, m, parts, limit):
    """Whether all of n x m x parts chunks, as equal as can be, stay within the limit."""
    half = whole.x.N // 2 + 1
    edges = [i * half // parts for i in range(parts + 1)]
    ranges = [None] if parts == 1 else [range(a, b) for a, b in pairwise(edges)]
    sizes = product({whole.S // n, ceil(whole.S / n)}, {whole.F // m, ceil(whole.F / m)}, ranges)
    return all(replace(whole, S=S, F=F, kx=kx).arena_bytes <= limit for S, F, kx in sizes)


@pytest.mark.parametrize("limit", [inf, 1 << 40])
def test_without_need_the_cpu_takes_no_more_than_enough(monkeypatch, limit):
    whole = plan(4, 3, 5)
    enough = whole.arena_bytes // 2
    monkeypatch.setitem(ENOUGH, "cpu", enough)
    chunks.cache_clear()
    found = chunks(whole, limit)
    assert found == chunks(whole, enough)
    assert len(found) > 1
    assert len(chunks(whole, limit, keeps=True)) == 1
    monkeypatch.setitem(ENOUGH, "cpu", 1)  # which cannot be had
    chunks.cache_clear()
    assert len(chunks(whole, limit)) == 1
    chunks.cache_clear()


def test_what_fits_is_one_chunk_with_the_plan_itself():
    whole = plan(4, 3, 5)
    for limit in (whole.arena_bytes, inf):
        (chunk,) = chunks(whole, limit)
        assert chunk.plan is whole
        assert chunk.whole
    assert not any(chunk.whole for chunk in chunks(whole, whole.arena_bytes - 1))


def test_a_step_finds_the_plans_of_the_one_before():
    whole = plan(5, 3, 5)
    first, second = (chunks(whole, least_bytes(whole)) for _ in range(2))
    assert len(first) == most_chunks(whole)
    assert all(a.plan is b.plan for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_less_than_one_sample_and_one_map_is_an_error(kind):
    whole = plan(4, 3, 5, kind=kind)
    least = least_bytes(whole)
    assert len(chunks(whole, least)) > 1
    with pytest.raises(LimitError, match=rf"need {least} bytes of the arena, arena.limit_bytes allows {least - 1}$"):
        chunks(whole, least - 1)
