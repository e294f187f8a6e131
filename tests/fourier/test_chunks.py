"""Chunks: they cover a pass once, stay within the limit, and cost least."""

from dataclasses import replace
from itertools import product as pairs
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import least_bytes

from tinyfft.fourier.arena import LimitError
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.chunks import chunks
from tinyfft.fourier.plan import plan_convolution

SMALL = st.integers(1, 12)


def plan(S, C, F, size=12, kernel=5, kind="cpu"):
    return plan_convolution(S, C, F, Axis(size, kernel), Axis(size + 3, kernel), kind=kind)


@st.composite
def limits(draw):
    """(plan, limit) from the least that is possible to a little more than all needs."""
    whole = plan(draw(SMALL), draw(SMALL), draw(SMALL), kind=draw(st.sampled_from(["cpu", "cuda"])))
    return whole, draw(st.integers(least_bytes(whole), whole.arena_bytes + 1))


@given(limits())
def test_every_sample_and_map_is_in_one_chunk_that_fits(case):
    whole, limit = case
    found = chunks(whole, limit)
    met = [pair for c in found for pair in pairs(range(*c.samples.indices(99)), range(*c.maps.indices(99)))]
    assert sorted(met) == list(pairs(range(whole.S), range(whole.F)))
    for chunk in found:
        assert (len(range(12)[chunk.samples]), len(range(12)[chunk.maps])) == (chunk.plan.S, chunk.plan.F)
        assert chunk.plan.arena_bytes <= limit
        assert (chunk.plan.lengths, chunk.plan.C, chunk.plan.kind) == (whole.lengths, whole.C, whole.kind)


@given(limits())
def test_sizes_differ_by_one_so_that_there_are_four_plans_at_most(case):
    found = chunks(*case)
    for sizes in ({c.plan.S for c in found}, {c.plan.F for c in found}):
        assert max(sizes) - min(sizes) <= 1
    assert len({c.plan for c in found}) == len({(c.plan.S, c.plan.F) for c in found}) <= 4


@given(limits())
def test_no_other_way_that_fits_transforms_less(case):
    whole, limit = case
    of_x, of_w = whole.transform_operations("x"), whole.transform_operations("w")
    costs = [
        m * of_x + n * of_w
        for n, m in pairs(range(1, whole.S + 1), range(1, whole.F + 1))
        if all(
            replace(whole, S=S, F=F).arena_bytes <= limit
            for S, F in pairs({whole.S // n, ceil(whole.S / n)}, {whole.F // m, ceil(whole.F / m)})
        )
    ]
    found = chunks(whole, limit)
    n, m = (len({getattr(c, axis).start for c in found}) for axis in ("samples", "maps"))
    assert n * m == len(found)
    assert m * of_x + n * of_w == min(costs)


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
    assert len(first) == 25
    assert all(a.plan is b.plan for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_less_than_one_sample_and_one_map_is_an_error(kind):
    whole = plan(4, 3, 5, kind=kind)
    least = least_bytes(whole)
    assert len(chunks(whole, least)) > 1
    with pytest.raises(LimitError, match=rf"need {least} bytes of the arena, arena.limit_bytes allows {least - 1}$"):
        chunks(whole, least - 1)
