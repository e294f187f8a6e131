"""Curves and bars as SVG elements, which take their text colour and font from the page.

    svg = curves("loss", [Curve([1, 2, 3], [0.9, 0.5, 0.4], style=0)], "loss")

All ids of an SVG element start with the chart's name, so the charts of a page need different names. A chart has no
legend: names may contain markup, so the page writes the legend as text, with a `swatch` for each style. matplotlib is
the extra `report`.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from tinyfft.fourier.convolution import PASSES
from tinyfft.runs.report.html import Html
from tinyfft.runs.report.run import ReportError

# The colours of Okabe and Ito are distinct for all types of colour vision. After the last one they repeat, dashed.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ((), (5, 2), (1, 1.5))  # dash and gap, in line widths

INK = "#010203"
"""A placeholder, replaced by the page's text colour."""

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
    "font.sans-serif": ["DejaVu Sans"],  # for the layout only: the page replaces the font
    "svg.fonttype": "none",
    "svg.hashsalt": "tinyfft",
    "text.parse_math": False,
}


class Curve(NamedTuple):
    """One curve of a chart."""

    x: Sequence[float]
    y: Sequence[float]
    style: int  # argument of `colour_and_dashes`


def curve(history: Sequence[Mapping[str, Any]], key: str, style: int) -> Curve:
    """Return the metric `key` of all epochs that have it."""
    epochs = [metrics for metrics in history if key in metrics]
    return Curve([metrics["epoch"] for metrics in epochs], [metrics[key] for metrics in epochs], style)


def require_matplotlib() -> Any:
    """Return the module matplotlib. Raises ReportError if it cannot be imported."""
    try:
        import matplotlib
    except ImportError as error:
        raise ReportError(f"charts need matplotlib ({error}): pip install -e '.[report]'") from error
    return matplotlib


def curves(name: str, drawn: Sequence[Curve], label: str, best_epoch: int | None = None) -> Html:
    """Return a chart of curves over the epochs, with a vertical line at the best epoch."""
    with _axes(5.4, 3.4) as (figure, axes):
        for one in drawn:
            colour, dashes = colour_and_dashes(one.style)
            axes.plot(one.x, one.y, color=colour, dashes=dashes, marker="o" if len(one.x) <= 30 else None)
        if best_epoch is not None:
            axes.axvline(best_epoch, color=INK, alpha=0.5, linewidth=1, dashes=(4, 3))
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.set_xlim(0.5, 0.5 + max((max(one.x) for one in drawn if one.x), default=1))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        return _svg(figure, name, f"{label} over epoch")


def layer_times(name: str, layers: Sequence[dict[str, Any]]) -> Html:
    """Return a chart with a bar for each row of tinyfft.runs.timing, divided into the passes in styles 0, 1 and 2."""
    with _axes(11, 0.9 + 0.28 * len(layers)) as (figure, axes):
        left = [0.0] * len(layers)
        for style, key in enumerate(PASSES):
            widths = [layer[f"{key}_ms"] or 0.0 for layer in layers]
            axes.barh(range(len(layers)), widths, left=left, height=0.7, color=colour_and_dashes(style)[0])
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.set_yticks(range(len(layers)), [layer["name"] for layer in layers])
        axes.set_ylim(len(layers) - 0.4, -0.6)  # the first layer at the top
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("ms")
        return _svg(figure, name, "time of each layer in ms")


def colour_and_dashes(style: int) -> tuple[str, tuple[float, ...]]:
    """Return (colour, dashes) of a style, a number from 0."""
    return COLOURS[style % len(COLOURS)], DASHES[style // len(COLOURS) % len(DASHES)]


def swatch(style: int) -> Html:
    """Return a short line in this style as SVG, for a legend."""
    colour, dashes = colour_and_dashes(style)
    pattern = f' stroke-dasharray="{" ".join(str(3 * length) for length in dashes)}"' if dashes else ""
    drawn = f'<line x1="0" y1="5" x2="26" y2="5" stroke="{colour}" stroke-width="3"{pattern}/>'
    return Html(f'<svg class="swatch" viewBox="0 0 26 10" aria-hidden="true">{drawn}</svg>')


@contextmanager
def _axes(width: float, height: float) -> Iterator[tuple[Any, Any]]:
    """Yield (figure, axes) of this size in inches, while the SETTINGS apply."""
    with require_matplotlib().rc_context(SETTINGS):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots()


def _svg(figure: Any, name: str, label: str) -> Html:
    """Return the element <svg> without metadata. The page sets its size; its ids start with `name`."""
    file = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    opening = rf'<svg class="chart" \1 role="img" aria-label="{label}">'
    svg = re.sub(r"^<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", opening, svg)
    svg = svg.replace("xlink:href=", "href=").replace(INK, "currentColor")
    return Html(re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg))
