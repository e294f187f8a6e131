"""A comparison of runs: their results, their curves, and the config keys in which they differ."""

from collections.abc import Sequence

from tinyfft.runs.report import charts
from tinyfft.runs.report.html import Html, figure, join, page, section, table, tag
from tinyfft.runs.report.run import SELECTION_TEXTS, Run
from tinyfft.runs.text_table import align
from tinyfft.runs.toml_schema import toml_value

HEAD = (
    *("run", "data", "epochs", "best accuracy", "of epoch", "chosen on"),
    *("last test accuracy", "last test loss", "seconds"),
)
CURVES = (("test_accuracy", "test accuracy"), ("test_loss", "test loss"), ("train_loss", "training loss"))


def comparison_table(runs: Sequence[Run]) -> str:
    """Return plain text: a row for each run, then a row for each config key in which the runs differ."""
    lines = align([HEAD, *map(_row, runs)])
    if rows := differences(runs):
        lines += ["", *align([("key", *(run.name for run in runs)), *rows])]
    return "\n".join(lines)


def comparison_page(runs: Sequence[Run]) -> str:
    """Return the HTML page. Raises ReportError without matplotlib."""
    rows = []
    for style, run in enumerate(runs):
        name, *rest = _row(run)
        rows.append((join([charts.swatch(style), name]), *rest))
    return page(
        f"{len(runs)} runs" if len(runs) > 1 else runs[0].name,
        [
            section("Results", table(HEAD, rows, class_="numbers")),
            section("Curves", tag("div", join(_curves(runs)), class_="row")),
            section("Differences", _differences(runs)),
        ],
    )


def differences(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Return (dotted key, its value in each run) for each config key whose values differ."""
    settings = [run.settings for run in runs]
    keys = {key: None for each in settings for key in each}
    rows = [(key, *(toml_value(each[key]) if key in each else "-" for each in settings)) for key in keys]
    return [row for row in rows if len(set(row[1:])) > 1]


def _row(run: Run) -> tuple[str, ...]:
    """Return the cells below HEAD."""
    last = run.history[-1] if run.history else {}
    best = ("-", "-", "-")
    if run.best is not None:
        accuracy = run.history[run.best - 1][f"{run.selected_on}_accuracy"]
        best = (f"{accuracy:.4f}", str(run.best), SELECTION_TEXTS[run.selected_on])
    test = (f"{last[key]:.4f}" if key in last else "-" for key in ("test_accuracy", "test_loss"))
    return (run.name, run.data.get("name", "-"), str(len(run.history)), *best, *test, f"{run.seconds:.1f}")


def _curves(runs: Sequence[Run]) -> list[Html]:
    graphs = []
    for key, label in CURVES:
        drawn = [charts.curve(run.history, key, style) for style, run in enumerate(runs)]
        graphs.append(figure(charts.curves(key, drawn, label)))
    return graphs


def _differences(runs: Sequence[Run]) -> Html:
    if rows := differences(runs):
        return table(("key", *(run.name for run in runs)), rows)
    text = "All configurations are the same." if len(runs) > 1 else "There is only one run."
    return tag("p", text, class_="note")
