"""The benchmark of plans: every tiling is measured, the chosen one first."""

from benchmarks import plans
from benchmarks.shapes import Layer
from tinyfft.backend import current_device


def test_the_plan_that_costs_least_comes_first(monkeypatch):
    monkeypatch.setattr(plans, "milliseconds", lambda call, device: (call(), 2.0)[1])
    rows = plans.measure(Layer(2, 2, 3, 12, 3), current_device())
    assert [row["tiles"] for row in rows[1:]] == [4, 9, 16, 25]  # of 10 rows of output, 2 by 2 at the smallest
    assert rows[0]["cost"] == min(row["cost"] for row in rows)
    assert rows[0]["share"] == 1.0
    assert {row["ms"] for row in rows} == {2.0}
