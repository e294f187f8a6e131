"""Charts embedded in a page."""

import re
from xml.etree import ElementTree

import pytest
from made_up_run import LAYERS, history

from tinyfft.runs.report import charts


def points(svg):
    """Return the points of each curve, in the coordinates of the drawing."""
    paths = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style="fill: none; stroke: #', svg)
    return [[tuple(map(float, pair)) for pair in re.findall(r"[ML] (\S+) (\S+)", path)] for path in paths]


def test_a_curve_goes_through_its_values():
    values = [0.5, 1.0, 0.25]
    (found,) = points(charts.curves("a", [charts.Curve([1, 2, 3], values, 0)], "loss"))
    (x0, y0), (x1, y1), (x2, y2) = found
    assert x1 - x0 == pytest.approx(x2 - x1, abs=1e-3)
    assert (y1 - y2) / (y0 - y2) == pytest.approx((1.0 - 0.25) / (0.5 - 0.25), rel=1e-3)  # downwards


def test_epochs_without_a_value_are_left_out():
    epochs = history(0.5, 0.75, 0.625)
    del epochs[1]["test_loss"]
    assert charts.curve(epochs, "test_loss", 2) == charts.Curve([1, 3], [1.5, 0.5], 2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda name: charts.curves(name, [charts.Curve([1], [0.5], 0), charts.Curve([], [], 1)], "loss", 1),
        lambda name: charts.layer_times(name, LAYERS),
    ],
    ids=["curves", "layers"],
)
def test_two_charts_share_no_id_and_need_no_other_file(draw):
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


def test_layer_names_are_escaped():
    row = LAYERS[1] | {"name": "<b>&$x_$"}
    assert "&lt;b&gt;&amp;$x_$" in charts.layer_times("a", [row])


def test_styles_are_distinct():
    styles = [charts.colour_and_dashes(number) for number in range(18)]
    assert len(set(styles)) == 18
    assert charts.colour_and_dashes(18) == charts.colour_and_dashes(0)
    for number in (0, 7):
        assert charts.colour_and_dashes(number)[0] in charts.swatch(number)
    assert "dasharray" in charts.swatch(7)
    assert "dasharray" not in charts.swatch(0)
