"""Invented runs, and a parser for pages."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from tinyfft.runs.report import Example, Findings, Run
from tinyfft.training import checkpoint

CONFIG = 'epochs = 3\n\n[optimizer]\nlearning_rate = 0.1\n\n[model]\nname = "convnet"\nchannels = [2, 3]\n'
VOID = {"meta", "img", "br"}


def history(*test_accuracies, validation=()):
    """Return the metrics of one epoch for each accuracy."""
    epochs = []
    for epoch, accuracy in enumerate(test_accuracies, 1):
        metrics = {"epoch": epoch, "train_loss": 2.0 / epoch, "train_accuracy": accuracy / 2}
        if validation:
            metrics |= {"validation_loss": 1.75 / epoch, "validation_accuracy": validation[epoch - 1]}
        metrics |= {"test_loss": 1.5 / epoch, "test_accuracy": accuracy, "seconds": 1.25, "images_per_second": 80.0}
        epochs.append(metrics | {"learning_rate": 0.1 / epoch, "data": "mine", "device": "cpu"})
    return epochs


def run(epochs, config=CONFIG, path="runs/one", data="mine"):
    names = {"data": {"name": data}, "machine": {"numpy": "2.0"}, "commands": ["python train.py --config cifar"]}
    return Run(path=Path(path), history=epochs, step=12, config=config, **names)


def save(folder, epochs, config=CONFIG):
    """Write the files of a run to a folder, and return it."""
    folder.mkdir(parents=True)
    texts = {"training": json.dumps({"history": epochs, "step": 12}), "config": config, "machine": "{}"}
    checkpoint.save(folder / "checkpoint.safetensors", {"network.weight": np.zeros(2)}, texts)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(metrics) + "\n" for metrics in epochs))
    return folder


def findings(classes=("cat", "dog"), confusion=((5, 1), (2, 4)), kernels=None, layers=()):
    image = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    last = len(classes) - 1
    wrong = [Example(image, 0, last, 0.75)] if last else []
    if kernels is None:
        kernels = np.random.default_rng(1).standard_normal((4, 3, 5, 5))
    correct = [Example(image, 0, 0, 0.9)]
    shown = {"correct": correct, "wrong": wrong, "kernels": kernels, "layers": layers}
    return Findings(classes=classes, confusion=np.array(confusion), **shown)


LAYERS = [
    {"name": "0 Convolution 3-2 k5x5", "updateOutput_ms": 1.5, "updateGradInput_ms": None, "accGradParameters_ms": 2.5}
    | {"algorithm": {"updateOutput": "fft", "updateGradInput": None, "accGradParameters": "direct"}},
    {"name": "1 ReLU", "updateOutput_ms": 0.25, "updateGradInput_ms": 0.5, "accGradParameters_ms": 0.125}
    | {"algorithm": None},
]


class Page(HTMLParser):
    """A parsed page: `links` are all its addresses; `texts` and the `rows` of its tables are grouped by section."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.alts, self.ids, self.sections, self.tags = [], [], [], [], [], []
        self.texts, self.rows = {}, {}
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        self.tags.append(name)
        self.links += [attributes[key] for key in ("src", "href", "xlink:href", "action") if key in attributes]
        self.alts += [attributes["alt"]] if "alt" in attributes else []
        self.ids += [attributes["id"]] if "id" in attributes else []
        if name == "section":
            self.sections.append(attributes["id"])
        if name == "tr":
            self.rows.setdefault(self.sections[-1], []).append([])
        if name in ("td", "th"):
            self.rows[self.sections[-1]][-1].append("")
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.handle_starttag(name, attributes)
        if name not in VOID:
            self.open.pop()

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.sections and "style" not in self.open:
            self.texts[self.sections[-1]] = self.texts.get(self.sections[-1], "") + data
            if "td" in self.open or "th" in self.open:
                self.rows[self.sections[-1]][-1][-1] += data
