"""Figures of benchmarks: panels side by side, lines over one quantity, saved as SVG.

Colours are Okabe and Ito's, which people of every colour vision can tell apart; markers and dashes tell the lines apart
without any. matplotlib is the extra `report`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COLOURS = {"tinyfft": "#0072B2", "PyTorch": "#D55E00", "direct": "#D55E00"}


@dataclass(frozen=True)
class Line:
    """One line: `whose` gives its colour and marker, `dashed` sets a part apart from its whole."""

    label: str
    values: Sequence[float]
    whose: str
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One set of axes: a title and lines over the same points x."""

    title: str
    x: Sequence[float]
    lines: Sequence[Line]


def save(path: Path, title: str, x_label: str, y_label: str, panels: Sequence[Panel]) -> None:
    """Write a figure; values are shown on a logarithmic scale that all panels share."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "tinyfft"  # so that the same measurements give the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(1.2 + 4.6 * len(panels), 4.6), sharey=True, squeeze=False, layout="constrained"
    )
    figure.suptitle(title, fontsize=10)
    for panel, ax in zip(panels, axes[0], strict=True):
        _draw(panel, ax)
        ax.set_xlabel(x_label)
    axes[0][0].set_ylabel(y_label)
    # below the panels, where it covers no line
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=120)
    pyplot.close(figure)


def _draw(panel: Panel, ax: object) -> None:
    for line in panel.lines:
        colour = COLOURS[line.whose]
        marker = "o" if line.whose == "tinyfft" else "s"
        style, face = ("--", "white") if line.dashed else ("-", colour)
        ax.plot(panel.x, line.values, style, marker=marker, color=colour, markerfacecolor=face, label=line.label)
    ax.set_title(panel.title, fontsize=10)
    ax.set_yscale("log")
    ax.set_xticks(panel.x)
    ax.grid(alpha=0.3)
