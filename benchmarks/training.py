"""Whole trainings: a config's network and its PyTorch twin, on the same pictures, by the same trainer and loader.

    python -m benchmarks.training [--device cpu] [--config cifar] [--data DIR] [--sides tinyfft PyTorch]
                                  [--set KEY=VALUE ...] [--json FILE] [--markdown FILE]

Both begin with the same weights and see the same minibatches in the same order. PyTorch runs in the layout that takes
less time for an iteration, on a GPU as a CUDA graph (with `graph=false` eagerly, as on a CPU), with its own fused or
foreach SGD. Seconds are of an epoch's training alone, the loader included.
"""

import argparse
import dataclasses
import itertools
import sys
from typing import Any

import datasets
import tinyfft
from benchmarks import peers, report, torch_iteration
from benchmarks.torch_training import GraphStep, TorchNetwork
from commands import build
from tinyfft.backend import Device
from tinyfft.config import Config, load_config
from tinyfft.timing import Iteration
from tinyfft.training import progress
from tinyfft.training.step import TrainStep

SIDES = ("tinyfft", "PyTorch")
HEAD = ("epoch", "tinyfft s", "PyTorch s", "**ratio**", "test accuracy, tinyfft / PyTorch")


def main() -> None:
    options = _options()
    device = report.use_device(options.device)
    config = load_config(options.config, options.set)
    if config.precision == "bf16":
        raise report.UsageError("--set: precision is bf16, expected fp32 or tf32: the twin here has no autocast")
    data = datasets.load(config.data.name, options.data, build.folder_options(config), sys.stderr.isatty())
    found = {"machine": report.machine(device) | peers.prepare(device), "data": data.name}
    found |= {"command": report.command("python -m benchmarks.training", options)}
    found |= {"batch_size": config.batch_size, "precision": config.precision, "epochs": {}}
    pictures = len(data.train_images)
    images = pictures - pictures % config.batch_size or pictures  # whole minibatches, if there is one
    for side in options.sides:
        epochs = found["epochs"][side] = []
        for metrics in measure(side, config, data, device):
            metrics["train_seconds"] = images / metrics["images_per_second"]
            epochs.append(metrics)
            print(f"{side}: {metrics}", flush=True)
            report.write(options, found, markdown(found))
        peers.free_memory(device)


def measure(side: str, config: Config, data: Any, device: Device) -> Any:
    """The metrics of each epoch, as Trainer gives them."""
    shape, classes = data.train_images.shape[1:], len(data.classes)
    network = build.make_network(config, shape, classes)
    train_loader, evaluations = build.make_loaders(config, device, data)
    trainer = build.make_trainer(config, network, len(train_loader), progress.for_terminal())
    if side == "PyTorch":
        settings = torch_iteration.sgd_settings(trainer.optimizer)
        peer = _torch_network(network, settings, config, shape, classes)
        kind = GraphStep if device.captures and config.graph else TrainStep
        trainer.network = trainer.optimizer = peer
        trainer.train_step = kind(peer, trainer.criterion, peer, graph=False, mirror=config.evaluation.mirror)
    return trainer.fit(train_loader, evaluations, config.epochs, data.name)


def _torch_network(
    network: tinyfft.nn.Sequential, settings: dict[str, Any], config: Config, shape: tuple[int, int, int], classes: int
) -> TorchNetwork:
    """The twin of `network` in its faster layout, which is found with another of its kind."""
    timing = dataclasses.replace(config.timing, input_shape=shape, classes=classes)
    like = Iteration(build.make_network(config, shape, classes), dataclasses.replace(config, timing=timing))
    how = "CUDA graph" if network.device.captures and config.graph else "eager"
    times = {layout: torch_iteration.measure(like, config.precision, layout, how) for layout in peers.LAYOUTS}
    layout = min(times, key=lambda name: times[name]["iteration_ms"])
    return TorchNetwork(network, settings, layout, times[layout]["optimizer"])


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    sides = [found["epochs"].get(side, []) for side in SIDES]
    epochs = list(itertools.zip_longest(*sides))
    rows = [_cells(str(number), *of) for number, of in enumerate(epochs, 1)]
    rows.append(_cells("all", *(_whole(side, len(epochs)) for side in sides)))
    about = f"Minibatch {found['batch_size']}, {found['precision']}, {found['data']}. Ratio: PyTorch's time / ours."
    return report.document("Training: tinyfft beside PyTorch", found, [about, "", *report.table(HEAD, rows)])


def _whole(epochs: list[dict[str, Any]], count: int) -> dict[str, Any] | None:
    """A training's seconds and what it has come to; None if it did not run to the end."""
    if len(epochs) < count:
        return None
    return epochs[-1] | {"train_seconds": sum(epoch["train_seconds"] for epoch in epochs)}


def _cells(name: str, ours: dict[str, Any] | None, peer: dict[str, Any] | None) -> list[str]:
    """A row; "-" for what a side has not run."""
    seconds = [of and of["train_seconds"] for of in (ours, peer)]
    return [
        name,
        *(f"{each:.1f}" if each else "-" for each in seconds),
        f"**{seconds[1] / seconds[0]:.2f}**" if all(seconds) else "-",
        " / ".join(f"{of['test_accuracy']:.4f}" if of else "-" for of in (ours, peer)),
    ]


def _options() -> argparse.Namespace:
    parser = report.parser("training", __doc__)
    report.add_device(parser)
    parser.add_argument("--config", default="cifar", metavar="NAME", help="from configs/ (default: cifar)")
    parser.add_argument("--data", metavar="DIR", help="pictures in place of the config's, as of train.py")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help="which are trained")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change keys of the config")
    return parser.parse_args()


if __name__ == "__main__":
    report.run(main)
