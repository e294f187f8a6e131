"""The report of one run.

Sections  result, curves, confusion, examples, first-layer kernels, time per layer, configuration, machine and versions,
command. A section without content says so.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinyfft.fourier.convolution import PASSES
from tinyfft.runs.report import charts, images
from tinyfft.runs.report.findings import Example, Findings
from tinyfft.runs.report.html import Cell, Html, figure, image, join, page, section, table, tag
from tinyfft.runs.report.run import SELECTION_TEXTS, Run

SPLITS = ("train", "test", "validation")  # drawn in the styles 0, 1 and 2
MAX_CLASSES = 25  # with more classes only the most frequent confusions are shown


def run_page(run: Run, findings: Findings) -> str:
    """Return the HTML page. Raises ReportError without matplotlib."""
    return page(
        f"{run.name}: {run.data.get('name', 'a training')}",
        [
            section("Result", _result(run, findings)),
            section("Curves", *_curves(run)),
            section("Confusion", *_confusion(findings)),
            section("Examples", *_examples(findings)),
            section("First-layer kernels", _kernels(findings.kernels)),
            section("Time per layer", *_layers(findings.layers)),
            section("Configuration", tag("pre", run.config)),
            section("Machine and versions", table((), run.machine.items())),
            section("Command", *(tag("pre", command) for command in run.commands or ["not recorded"])),
        ],
    )


def _result(run: Run, findings: Findings) -> Html:
    epochs = run.settings.get("epochs")
    last = run.history[-1] if run.history else {}
    rows = [
        ("epochs", f"{len(run.history)} of {epochs}" if epochs else len(run.history)),
        ("minibatches", run.step),
        *_best(run),
        ("last epoch, test accuracy", _number(last.get("test_accuracy"))),
        ("last epoch, test loss", _number(last.get("test_loss"))),
        ("this page's network, test accuracy", _number(findings.confusion.trace() / max(findings.confusion.sum(), 1))),
        ("time of all epochs", f"{run.seconds:.1f} s"),
        ("training speed", f"{last['images_per_second']:.0f} images/s" if last else None),
    ]
    return table((), rows)


def _best(run: Run) -> list[tuple[str, str | None]]:
    """Return the rows of the best epoch."""
    if run.best is None:
        return [("best epoch", None)]
    metrics, split = run.history[run.best - 1], run.selected_on
    splits = ("validation", "test") if split == "validation" else ("test",)
    accuracies = [(f"best epoch, {name} accuracy", _number(metrics.get(f"{name}_accuracy"))) for name in splits]
    return [("best epoch", f"{run.best}, chosen on {SELECTION_TEXTS[split]}"), *accuracies]


def _curves(run: Run) -> list[Html]:
    if not run.history:
        return [_note("No epoch has ended.")]
    styles = [(style, split) for style, split in enumerate(SPLITS) if f"{split}_loss" in run.history[-1]]
    graphs = []
    for kind in ("loss", "accuracy"):
        drawn = [charts.curve(run.history, f"{split}_{kind}", style) for style, split in styles]
        graphs.append(figure(charts.curves(kind, drawn, kind, run.best)))
    if "learning_rate" in run.history[-1]:
        drawn = [charts.curve(run.history, "learning_rate", 0)]
        graphs.append(figure(charts.curves("rate", drawn, "learning rate at the end of the epoch")))
    note = (
        "Training loss and accuracy are means over the epoch, while the weights change. "
        "The dashed line is the best epoch."
    )
    return [_legend(styles), tag("div", join(graphs), class_="row"), _note(note)]


def _confusion(findings: Findings) -> list[Html]:
    confusion, classes = findings.confusion, findings.classes
    if len(classes) > MAX_CLASSES:
        wrong = confusion * ~np.eye(len(classes), dtype=bool)
        order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_CLASSES]
        pairs = [(i, j) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j]]
        rows = [(classes[i], classes[j], f"{confusion[i, j]} of {confusion[i].sum()}") for i, j in pairs]
        return [table(("true class", "predicted class", "images"), rows)]
    rows = []
    for label, counts in enumerate(confusion):
        cells = [_cell(count, counts.sum(), label == predicted) for predicted, count in enumerate(counts)]
        rows.append((classes[label], *cells, _number(counts[label] / counts.sum(), 3) if counts.sum() else None))
    note = (
        "Test images: rows are true classes, columns predicted ones. The last column is the fraction of correct ones."
    )
    return [table(("", *classes, "correct"), rows, class_="cells"), _note(note)]


def _cell(count: int, total: int, correct: bool) -> Html:
    """Return a count on a coloured ground. The square root makes small fractions visible."""
    opacity = 0.65 * (count / total) ** 0.5 if total else 0
    colour = "0 114 178" if correct else "213 94 0"
    return Cell(tag("td", count, style=f"background: rgb({colour} / {opacity:.2f})"))


def _examples(findings: Findings) -> list[Html]:
    parts = []
    for title, examples in (("correctly", findings.correct), ("wrongly", findings.wrong)):
        note = f"Test images classified {title}: of each class in turn, those with the highest probability first."
        shown = (_example(each, findings.classes) for each in examples)
        parts += [
            _note(note if examples else f"No test image is classified {title}."),
            tag("div", join(shown), class_="examples"),
        ]
    return parts


def _example(example: Example, classes: Sequence[str]) -> Html:
    target, prediction = classes[example.target], f"{classes[example.predicted]} {example.probability:.2f}"
    correct = example.target == example.predicted
    caption = prediction if correct else join([prediction, Html("<br>"), f"is {target}"])
    return figure(image(images.example(example.image), target), caption)


def _kernels(weight: np.ndarray | None) -> Html:
    if weight is None:
        return _note("The network has no convolution.")
    kernels, spectra = images.kernels(weight), images.spectra(weight)
    # the gaps are in the proportion of the images, so that a spectrum and its kernel have the same place in their grids
    grids = (images.grid(kernels, 1), images.grid(spectra, round(spectra.shape[2] / kernels.shape[2])))
    F, C, kH, kW = weight.shape
    maps = "one colour for each input map" if C == 3 else "a square for each pair of maps"
    first = f"; the first {len(kernels)}" if len(kernels) < F else ""
    captions = (
        f"{F} kernels of {kH} x {kW}, {maps}{first}. Grey is 0. All share one scale.",
        "The magnitudes of their spectra, zero-padded, frequency 0 in the centre. Black is 0. All share one scale.",
    )
    figures = (
        figure(image(images.data_uri(grid), caption, class_="pixels"), caption)
        for grid, caption in zip(grids, captions, strict=True)
    )
    return tag("div", join(figures), class_="row")


def _layers(layers: Sequence[dict[str, Any]]) -> list[Html]:
    rows = []
    for layer in layers:
        selected = layer["algorithm"]
        algorithms = " / ".join(selected[name] or "-" for name in PASSES) if selected else ""
        rows.append((layer["name"], *(_number(layer[f"{name}_ms"], 3) for name in PASSES), algorithms))
    head = ("layer", *(f"{name} (ms)" for name in PASSES), "algorithm of each pass")
    chart = figure(charts.layer_times("layers", layers))
    return [_legend(enumerate(PASSES)), chart, table(head, rows, class_="numbers")]


def _legend(styles: Iterable[tuple[int, str]]) -> Html:
    """Return a swatch and a name for each (style, name)."""
    entries = (tag("span", join([charts.swatch(style), name])) for style, name in styles)
    return tag("p", join(entries, " "), class_="legend")


def _note(text: str) -> Html:
    return tag("p", text, class_="note")


def _number(value: float | None, digits: int = 4) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
