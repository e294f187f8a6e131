"""Runs beside each other: what each reached, its curves over those of the others, and the keys that tell them apart."""

from collections.abc import Sequence
from typing import Any

from tinyfft.report import charts
from tinyfft.report.html import Html, figure, join, page, section, table, tag, text
from tinyfft.report.run import CHOSEN_ON, Run
from tinyfft.runs.toml_schema import toml_value

HEAD = (
    "run",
    "data",
    "epochs",
    "best accuracy",
    "of epoch",
    "chosen on",
    "last test accuracy",
    "last test loss",
    "seconds",
)
CURVES = (("test_accuracy", "test accuracy"), ("test_loss", "test loss"), ("train_loss", "training loss"))


def comparison_table(runs: Sequence[Run]) -> str:
    """Plain text: a row for each run, then one for each key of the configurations in which they differ."""
    parts = [_aligned([HEAD, *map(_row, runs)])]
    if rows := differences(runs):
        parts.append(_aligned([("key", *(run.name for run in runs)), *rows]))
    return "\n\n".join(parts)


def comparison_page(runs: Sequence[Run]) -> str:
    """The HTML. Raises ReportError without matplotlib."""
    rows = []
    for style, run in enumerate(runs):
        name, *rest = _row(run)
        rows.append((join([Html(charts.swatch(style)), name]), *rest))
    return page(
        f"{len(runs)} runs" if len(runs) > 1 else runs[0].name,
        [
            section("Results", table(HEAD, rows, class_="numbers")),
            section("Curves", tag("div", join(_curves(runs)), class_="row")),
            section("Differences", *_differences(runs)),
        ],
    )


def differences(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """(dotted key, its value in each run) of the keys that do not have the same value in all of them."""
    settings = [run.settings for run in runs]
    keys = {key: None for each in settings for key in each}
    rows = [(key, *(_value(each.get(key)) for each in settings)) for key in keys]
    return [row for row in rows if len(set(row[1:])) > 1]


def _row(run: Run) -> tuple[str, ...]:
    """The cells of HEAD."""
    last = run.history[-1] if run.history else {}
    best = ("-", "-", "-")
    if run.best is not None:
        accuracy = run.history[run.best - 1][f"{run.chosen_by}_accuracy"]
        best = (f"{accuracy:.4f}", str(run.best), CHOSEN_ON[run.chosen_by])
    ends = (f"{last[key]:.4f}" if key in last else "-" for key in ("test_accuracy", "test_loss"))
    return (run.name, run.data.get("name", "-"), str(len(run.history)), *best, *ends, f"{run.seconds:.1f}")


def _curves(runs: Sequence[Run]) -> list[Html]:
    graphs = []
    for key, label in CURVES:
        drawn = [charts.line(run.history, key, style) for style, run in enumerate(runs)]
        graphs.append(figure(Html(charts.lines(key, drawn, "epoch", label))))
    return graphs


def _differences(runs: Sequence[Run]) -> list[Html]:
    rows = differences(runs)
    if len(runs) == 1:
        return [tag("p", "One run alone.", class_="note")]
    if not rows:
        return [tag("p", "Their configurations are the same.", class_="note")]
    return [table(("key", *(text(run.name) for run in runs)), rows)]


def _value(value: Any) -> str:
    return "-" if value is None else toml_value(value)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """The first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    return "\n".join(lines)
