"""Curves and bars -> SVG that stands in the page itself, in the page's own text colour and font.

    svg = lines("loss", [Line([1, 2, 3], [0.9, 0.5, 0.4], style=0)], "epoch", "loss")

A chart's name is in all its ids, so that the charts of a page must have different ones. What its lines are is said
beside it, by `swatch`: nothing that others named is drawn. matplotlib is the extra `report`.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tinyfft.fourier.convolution import PASSES
from tinyfft.report.run import ReportError

# Okabe and Ito's, which people of every colour vision can tell apart; after the last one they begin again, dashed
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ((), (5, 2), (1, 1.5))  # line and gap, in widths of the line

INK = "#010203"
"""Stands in a drawing for the colour of the page's text."""

SETTINGS = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "font.sans-serif": ["DejaVu Sans"],  # to measure by: the page's own takes its place
    "svg.fonttype": "none",
    "svg.hashsalt": "tinyfft",
    "text.parse_math": False,
}


class Line(NamedTuple):
    """One line of a chart; `style` is its number among those that can be told apart."""

    x: Sequence[float]
    y: Sequence[float]
    style: int


def line(history: Sequence[Mapping[str, Any]], key: str, style: int) -> Line:
    """What the epochs measured under `key`, those that have it."""
    there = [metrics for metrics in history if key in metrics]
    return Line([metrics["epoch"] for metrics in there], [metrics[key] for metrics in there], style)


def require_matplotlib() -> Any:
    """The module. Raises ReportError where it cannot be imported."""
    try:
        import matplotlib
    except ImportError as error:
        raise ReportError(f"charts need matplotlib ({error}): pip install 'tinyfft[report]'") from error
    return matplotlib


def lines(name: str, drawn: Sequence[Line], x_label: str, y_label: str, mark: int | None = None) -> str:
    """The lines over whole numbers from 1 on; `mark` is one of these numbers that is set apart."""
    figure, axes = _figure(5.4, 3.4)
    with require_matplotlib().rc_context(SETTINGS):
        for line in drawn:
            colour, dashes = style(line.style)
            axes.plot(line.x, line.y, color=colour, dashes=dashes, marker="o" if len(line.x) <= 30 else None)
        if mark is not None:
            axes.axvline(mark, color=INK, alpha=0.5, linewidth=1, dashes=(4, 3))
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_xlim(0.5, 0.5 + max((max(line.x) for line in drawn if line.x), default=1))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        return _svg(figure, name, f"{y_label} over {x_label}")


def layer_times(name: str, layers: Sequence[dict[str, Any]]) -> str:
    """A bar for each row of tinyfft.timing, of a part for each pass, in the styles 0, 1 and 2."""
    figure, axes = _figure(11, 0.9 + 0.28 * len(layers))
    with require_matplotlib().rc_context(SETTINGS):
        left = [0.0] * len(layers)
        for number, key in enumerate(PASSES):
            widths = [layer[f"{key}_ms"] or 0.0 for layer in layers]
            axes.barh(range(len(layers)), widths, left=left, height=0.7, color=style(number)[0])
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.set_yticks(range(len(layers)), [layer["name"] for layer in layers])
        axes.set_ylim(len(layers) - 0.4, -0.6)  # the first layer above
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("ms")
        return _svg(figure, name, "time of each layer in ms")


def style(number: int) -> tuple[str, tuple[float, ...]]:
    """(colour, dashes) of the line with this number."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def swatch(number: int) -> str:
    """A short piece of that line, as SVG."""
    colour, dashes = style(number)
    pattern = f' stroke-dasharray="{" ".join(str(3 * length) for length in dashes)}"' if dashes else ""
    drawn = f'<line x1="0" y1="5" x2="26" y2="5" stroke="{colour}" stroke-width="3"{pattern}/>'
    return f'<svg class="swatch" viewBox="0 0 26 10" aria-hidden="true">{drawn}</svg>'


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """(figure, axes), of inches."""
    with require_matplotlib().rc_context(SETTINGS):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def _svg(figure: Any, name: str, label: str) -> str:
    """The element <svg> alone: of a size that the page decides, without metadata, its ids beginning with the name."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    opening = rf'<svg class="chart" \1 role="img" aria-label="{label}">'
    svg = re.sub(r"^<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", opening, svg)
    svg = svg.replace("xlink:href=", "href=").replace(INK, "currentColor")
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
