"""Train a config's network and its PyTorch twin on the same images, by the same trainer and loader.

    python -m benchmarks.training [--config NAME] [--data DIR] [--set KEY=VALUE ...] [--json FILE] [--markdown FILE]

Both start with the same weights and see the same minibatches in the same order. PyTorch runs in the layout whose
iteration takes less time, with its own fused or foreach SGD, and on a GPU as a CUDA graph (eagerly with `graph=false`
and on a CPU). Seconds count an epoch's training, with the loader and without the evaluation.
"""

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import datasets
from benchmarks import report
from benchmarks.report import Options, Report, Row
from commands import build
from tinyfft.backend import Device
from tinyfft.config import Config, load_config
from tinyfft.training import progress

SIDES = ("tinyfft", "PyTorch")
HEAD = "epoch | tinyfft s | PyTorch s | **ratio** | test accuracy, tinyfft / PyTorch"
CELLS = "{epoch} | {ours_s} | {peer_s} | {ratio} | {ours_accuracy} / {peer_accuracy}"


def main() -> None:
    options = _options()

    from benchmarks import peers  # PyTorch, which --help does not need

    device = report.use_device(options.device)
    config = load_config(options.config, options.set)
    if config.precision == "bf16":
        raise report.UsageError("--set: precision is bf16, expected fp32 or tf32: the twin here has no autocast")
    data = datasets.load(config.data.name, options.data, build.folder_options(config), sys.stderr.isatty())
    found = report.begin("training", options, device, peers.prepare(device)) | {"data": data.name}
    found |= {"batch_size": config.batch_size, "precision": config.precision, "epochs": {}}
    count = len(data.train_images)
    trained = count - count % config.batch_size or count  # whole minibatches, if there is one
    for side in options.sides:
        epochs = found["epochs"][side] = []
        for metrics in measure(side, config, data, device):
            metrics["train_seconds"] = trained / metrics["images_per_second"]
            epochs.append(metrics)
            print(f"{side}: {metrics}", flush=True)
            report.write(options, found, markdown(found))
        peers.free_memory(device)


def measure(side: str, config: Config, data: Any, device: Device) -> Iterator[Row]:
    """Train one side and yield the metrics of each epoch, as Trainer gives them."""
    shape, classes = data.train_images.shape[1:], len(data.classes)
    network = build.make_network(config, shape, classes)
    train_loader, evaluations = build.make_loaders(config, device, data)
    trainer = build.make_trainer(config, network, len(train_loader), progress.for_terminal())
    if side == "PyTorch":
        from benchmarks.torch_training import GraphStep, TorchStep, faster_twin

        peer = faster_twin(network, trainer.optimizer, config, shape, classes)
        kind = GraphStep if device.captures and config.graph else TorchStep
        trainer.network = trainer.optimizer = peer
        trainer.train_step = kind(peer, trainer.criterion, peer, graph=False, mirror=config.evaluation.mirror)
    return trainer.fit(train_loader, evaluations, config.epochs, data.name)


def markdown(found: Report) -> str:
    sides = [found["epochs"].get(side, []) for side in SIDES]
    epochs = list(itertools.zip_longest(*sides))
    epochs.append([_whole(side, len(epochs)) for side in sides])
    names = [*map(str, range(1, len(epochs))), "all"]
    rows = [_cells(name, *epoch) for name, epoch in zip(names, epochs, strict=True)]
    text = f"Minibatch {found['batch_size']}, {found['precision']}, {found['data']}. Ratio: PyTorch's time / tinyfft's."
    return report.document("Training: tinyfft beside PyTorch", found, text, report.table(HEAD, CELLS, rows))


def _whole(epochs: list[Row], count: int) -> Row | None:
    """Return the seconds of all epochs with the last metrics, or None if the training was interrupted."""
    if len(epochs) < count:
        return None
    return epochs[-1] | {"train_seconds": sum(epoch["train_seconds"] for epoch in epochs)}


def _cells(epoch: str, ours: Row | None, peer: Row | None) -> Row:
    """Return a row of the table, with "-" for what a side has not run."""
    cells = {"epoch": epoch, "ratio": "-"}
    for side, metrics in (("ours", ours), ("peer", peer)):
        cells[f"{side}_s"] = f"{metrics['train_seconds']:.1f}" if metrics else "-"
        cells[f"{side}_accuracy"] = f"{metrics['test_accuracy']:.4f}" if metrics else "-"
    if ours and peer:
        cells["ratio"] = f"**{peer['train_seconds'] / ours['train_seconds']:.2f}**"
    return cells


def _options() -> Options:
    flags = ("device", "config", "data", "sides", "set")
    return report.parse(
        "training",
        __doc__,
        *flags,
        config={"default": "cifar", "metavar": "NAME", "help": "from configs/ (default: cifar)"},
        data={"metavar": "DIR", "help": "images instead of the config's, as in train.py"},
        sides={"nargs": "+", "choices": SIDES, "default": list(SIDES), "help": "default: both"},
    )


if __name__ == "__main__":
    report.run(main)
