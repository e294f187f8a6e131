"""The page of one run: what it reached, how it went, what its network has learned, and what made it.

Sections  result, curves, confusion, examples, first-layer kernels, time per layer, configuration, machine and versions,
command. Those that ask the network say so where there is nothing to show.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinyfft.fourier.convolution import PASSES
from tinyfft.report import charts, pictures
from tinyfft.report.findings import Example, Findings
from tinyfft.report.html import Cell, Html, figure, image, join, page, section, table, tag
from tinyfft.report.run import CHOSEN_ON, Run

PARTS = ("train", "test", "validation")  # their numbers are their styles
MOST_CLASSES = 25  # whose confusion is shown as a whole


def run_page(run: Run, findings: Findings) -> str:
    """The HTML. Raises ReportError without matplotlib."""
    return page(
        f"{run.name}: {run.data.get('name', 'a training')}",
        [
            section("Result", _result(run, findings)),
            section("Curves", *_curves(run)),
            section("Confusion", *_confusion(findings)),
            section("Examples", *_examples(findings)),
            section("First-layer kernels", *_kernels(findings.kernels)),
            section("Time per layer", *_layers(findings.layers)),
            section("Configuration", tag("pre", run.config)),
            section("Machine and versions", table((), run.machine.items())),
            section("Command", *(tag("pre", command) for command in run.commands or ["not recorded"])),
        ],
    )


def number(value: float | None, digits: int = 4) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _result(run: Run, findings: Findings) -> Html:
    asked = run.settings.get("epochs")
    last = run.history[-1] if run.history else {}
    rows = [
        ("epochs", f"{len(run.history)} of {asked}" if asked else len(run.history)),
        ("minibatches", run.step),
        *_best(run),
        ("last epoch, test accuracy", number(last.get("test_accuracy"))),
        ("last epoch, test loss", number(last.get("test_loss"))),
        ("this page's network, test accuracy", number(findings.confusion.trace() / max(findings.confusion.sum(), 1))),
        ("time of all epochs", f"{run.seconds:.1f} s"),
        ("training speed", f"{last['images_per_second']:.0f} images/s" if last else None),
    ]
    return table((), rows)


def _best(run: Run) -> list[tuple[str, str]]:
    if run.best is None:
        return [("best epoch", "none has ended")]
    metrics, by = run.history[run.best - 1], run.chosen_by
    found = [("best epoch", f"{run.best}, chosen on {CHOSEN_ON[by]}")]
    found.append((f"{by} accuracy of it", number(metrics[f"{by}_accuracy"])))
    if by == "validation":
        found.append(("test accuracy of it", number(metrics.get("test_accuracy"))))
    return found


def _curves(run: Run) -> list[Html]:
    if not run.history:
        return [tag("p", "No epoch has ended.", class_="note")]
    parts = [(style, part) for style, part in enumerate(PARTS) if f"{part}_loss" in run.history[-1]]
    graphs = []
    for kind in ("loss", "accuracy"):
        drawn = [charts.line(run.history, f"{part}_{kind}", style) for style, part in parts]
        graphs.append(figure(Html(charts.lines(kind, drawn, "epoch", kind, run.best))))
    if "learning_rate" in run.history[-1]:
        drawn = [charts.line(run.history, "learning_rate", 0)]
        graphs.append(figure(Html(charts.lines("rate", drawn, "epoch", "learning rate at its end"))))
    legend = _legend(parts)
    note = "Those of training are means over the epoch, taken while it learns. The dashed line is the best epoch."
    return [legend, tag("div", join(graphs), class_="row"), tag("p", note, class_="note")]


def _confusion(findings: Findings) -> list[Html]:
    confusion, classes = findings.confusion, findings.classes
    if len(classes) > MOST_CLASSES:
        wrong = confusion * ~np.eye(len(classes), dtype=bool)
        order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CLASSES]
        pairs = [(i, j) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j]]
        rows = [(classes[i], classes[j], f"{confusion[i, j]} of {confusion[i].sum()}") for i, j in pairs]
        return [table(("right class", "taken for", "pictures"), rows)]
    rows = []
    for label, counts in enumerate(confusion):
        cells = [_cell(count, counts.sum(), label == other) for other, count in enumerate(counts)]
        rows.append((classes[label], *cells, number(counts[label] / counts.sum(), 3) if counts.sum() else None))
    note = "Test pictures: down the right class, across what the network takes it for; last the share that is right."
    return [table(("", *classes, "right"), rows, class_="cells"), tag("p", note, class_="note")]


def _cell(count: int, of: int, right: bool) -> Html:
    """A count on a ground that is the stronger the larger its share, on a scale that shows small ones too."""
    strength = 0.65 * (count / of) ** 0.5 if of else 0
    colour = "0 114 178" if right else "213 94 0"
    return Cell(tag("td", count, style=f"background: rgb({colour} / {strength:.2f})"))


def _examples(findings: Findings) -> list[Html]:
    found = []
    for title, chosen in (("right", findings.right), ("wrong", findings.wrong)):
        about = f"Test pictures it judges {title}: of each class in turn those that it is surest of."
        shown = tag("div", join(_example(each, findings.classes) for each in chosen), class_="examples", id=title)
        found.append(join([tag("p", about if chosen else f"No test picture is judged {title}.", class_="note"), shown]))
    return found


def _example(example: Example, classes: Sequence[str]) -> Html:
    said = f"{classes[example.predicted]} {example.probability:.2f}"
    right = example.target == example.predicted
    caption = said if right else join([said, Html("<br>"), f"is {classes[example.target]}"])
    return figure(image(pictures.example(example.picture), classes[example.target]), caption)


def _kernels(weight: np.ndarray | None) -> list[Html]:
    if weight is None:
        return [tag("p", "The network has no convolution.", class_="note")]
    kernels, spectra = pictures.kernels(weight), pictures.spectra(weight)
    size = kernels.shape[2]
    # gaps in the same proportion, so that a spectrum stands where its kernel does
    grids = (pictures.grid(kernels, 1), pictures.grid(spectra, round(spectra.shape[2] / size)))
    F, C, kH, kW = weight.shape
    maps = "one colour for each input map" if C == 3 else "a square for each pair of maps"
    shown = f"{F} kernels of {kH} x {kW}, {maps}" + (f"; the first {len(kernels)}" if len(kernels) < F else "")
    captions = (
        f"{shown}. Grey is 0; all share one scale.",
        "The magnitudes of their spectra, zero-padded, frequency 0 in the middle. Black is 0; all share one scale.",
    )
    shown = [
        figure(image(pictures.data_uri(grid), caption, class_="pixels"), caption)
        for grid, caption in zip(grids, captions, strict=True)
    ]
    return [tag("div", join(shown), class_="row")]


def _layers(layers: Sequence[dict[str, Any]]) -> list[Html]:
    legend = _legend(enumerate(PASSES))
    rows = [
        (layer["name"], *(number(layer[f"{name}_ms"], 3) for name in PASSES), _algorithms(layer["algorithm"]))
        for layer in layers
    ]
    head = ("layer", *(f"{name} (ms)" for name in PASSES), "algorithm of each pass")
    return [legend, figure(Html(charts.layer_times("layers", layers))), table(head, rows, class_="numbers")]


def _algorithms(chosen: dict[str, str | None] | None) -> str:
    return " / ".join(chosen[name] or "-" for name in PASSES) if chosen else ""


def _legend(named: Iterable[tuple[int, str]]) -> Html:
    """Which name belongs to which style."""
    entries = (tag("span", join([Html(charts.swatch(style)), name])) for style, name in named)
    return tag("p", join(entries, " "), class_="legend")
