"""Charts as parts of a page."""

import re
from xml.etree import ElementTree

import pytest
from made_up_run import LAYERS, history

from tinyfft.report import charts


def points(svg):
    """The corners of each curve, in the drawing's own measure."""
    paths = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style="fill: none; stroke: #', svg)
    return [[tuple(map(float, pair)) for pair in re.findall(r"[ML] (\S+) (\S+)", path)] for path in paths]


def test_a_line_goes_through_its_values():
    values = [0.5, 1.0, 0.25]
    (found,) = points(charts.lines("a", [charts.Line([1, 2, 3], values, 0)], "epoch", "loss"))
    (x0, y0), (x1, y1), (x2, y2) = found
    assert x1 - x0 == pytest.approx(x2 - x1, abs=1e-3)
    assert (y1 - y2) / (y0 - y2) == pytest.approx((1.0 - 0.25) / (0.5 - 0.25), rel=1e-3)  # downwards


def test_epochs_without_a_value_are_left_out():
    epochs = history(0.5, 0.75, 0.625)
    del epochs[1]["test_loss"]
    assert charts.line(epochs, "test_loss", 2) == charts.Line([1, 3], [1.5, 0.5], 2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda name: charts.lines(name, [charts.Line([1], [0.5], 0), charts.Line([], [], 1)], "epoch", "loss", 1),
        lambda name: charts.layer_times(name, LAYERS),
    ],
    ids=["lines", "layers"],
)
def test_two_charts_of_a_page_share_no_id_and_none_has_anything_from_outside(draw):
    one, other = draw("one"), draw("other")
    ids = [set(re.findall(r'\bid="([^"]*)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'(?:url\(|href=")#([^")]*)', one)) <= ids[0]
    assert "http" not in one
    assert "metadata" not in one
    assert charts.INK not in one
    assert len(one) < 40_000
    ElementTree.fromstring(one)
    assert draw("one") == one


def test_names_of_layers_are_only_text():
    row = LAYERS[1] | {"name": "<b>&$x_$"}
    assert "&lt;b&gt;&amp;$x_$" in charts.layer_times("a", [row])


def test_lines_can_be_told_apart():
    styles = [charts.style(number) for number in range(18)]
    assert len(set(styles)) == 18
    assert charts.style(18) == charts.style(0)
    for number in (0, 7):
        assert charts.style(number)[0] in charts.swatch(number)
    assert "dasharray" in charts.swatch(7)
    assert "dasharray" not in charts.swatch(0)
