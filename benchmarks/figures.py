"""Figures as SVG files: matplotlib without a display, common colours, panels of lines.

The colours are Okabe and Ito's, which people of every colour vision can tell apart. Markers and dashes tell lines apart
without colours. The extra `report` installs matplotlib.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

COLOURS = {"tinyfft": "#0072B2", "PyTorch": "#D55E00", "direct": "#D55E00"}


class Line(NamedTuple):
    label: str
    values: Sequence[float]
    side: str  # a key of COLOURS
    dashed: bool = False  # for a part of a whole


class Panel(NamedTuple):
    title: str
    x: Sequence[float]  # of all lines
    lines: Sequence[Line]


def pyplot() -> Any:
    """Return matplotlib.pyplot without a display. Equal figures give equal files."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "tinyfft"
    from matplotlib import pyplot

    return pyplot


def save(figure: Any, path: Path) -> None:
    """Write an SVG file, in a folder that is made if missing, and close the figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot().close(figure)


def save_panels(path: Path, title: str, x_label: str, y_label: str, panels: Sequence[Panel]) -> None:
    """Write panels side by side. They share one logarithmic scale of values."""
    figure, axes = pyplot().subplots(
        1, len(panels), figsize=(1.2 + 4.6 * len(panels), 4.6), sharey=True, squeeze=False, layout="constrained"
    )
    figure.suptitle(title, fontsize=10)
    for panel, ax in zip(panels, axes[0], strict=True):
        _draw(panel, ax)
        ax.set_xlabel(x_label)
    axes[0][0].set_ylabel(y_label)
    # below the panels, where the legend covers no line
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    save(figure, path)


def _draw(panel: Panel, ax: Any) -> None:
    for line in panel.lines:
        colour = COLOURS[line.side]
        marker = "o" if line.side == "tinyfft" else "s"
        style, face = ("--", "white") if line.dashed else ("-", colour)
        ax.plot(panel.x, line.values, style, marker=marker, color=colour, markerfacecolor=face, label=line.label)
    ax.set_title(panel.title, fontsize=10)
    ax.set_yscale("log")
    ax.set_xticks(panel.x)
    ax.grid(alpha=0.3)
