"""The options of train.py. This module does not import numpy, so that --help and a mistyped option answer at once."""

import argparse
from pathlib import Path
from typing import Any

from commands.errors import UsageError

CONFIGS = Path(__file__).resolve().parent.parent / "configs"

EXAMPLES = """examples:
  python train.py --config cifar                       CIFAR-10, downloaded at the first start
  python train.py --config folder --data my-images     my-images/CLASS/**/*.jpg, of any size
  python train.py --config cifar --epochs 2 --set optimizer.learning_rate=0.05 data.crop=2
  python train.py --resume runs/cifar-20260101-120000  continues that run; without a name the latest one
  python train.py --evaluate runs/cifar-20260101-120000/best.safetensors
  python train.py --predict best.safetensors cat.jpg   the classes, each with its probability
  python train.py --config paper --time --json paper.json
  python train.py --config paper --time --inference
"""

LATEST_RUN = object()
"""The value of --resume without a name."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """Exit with one line, without argparse's usage text."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options. Raises UsageError for options that contradict each other."""
    options = _parser().parse_args(arguments)
    _check(options)
    return options


def overrides(options: argparse.Namespace) -> list[str]:
    """Return the changes to the config as "key=value"."""
    given = {"epochs": options.epochs, "batch_size": options.batch_size, "seed": options.seed}
    given["graph"] = None if options.graph is None else str(options.graph).lower()
    return options.set + [f"{key}={value}" for key, value in given.items() if value is not None]


def _check(options: argparse.Namespace) -> None:
    modes = {"--resume": options.resume, "--evaluate": options.evaluate, "--predict": options.predict}
    asked = [name for name, value in modes.items() if value is not None] + ["--time"] * options.time
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} are two commands, expected one")
    if options.config is None and not (asked or options.list or options.version):
        raise UsageError("--config is missing, expected NAME (--list shows the names), or --resume")
    if options.time and options.config is None:
        raise UsageError("--time needs --config")
    if asked and asked[0] in ("--evaluate", "--predict"):
        for name in ("config", "set", "epochs", "seed", "out", "graph"):
            if getattr(options, name) not in (None, []):
                raise UsageError(f"--{name} does not go with {asked[0]}: the checkpoint determines the network")
    if options.inference and not options.time:
        raise UsageError("--inference needs --time")
    if options.predict is not None and len(options.predict) < 2:
        raise UsageError("--predict: expected a FILE and at least one IMAGE")
    if options.json and not (options.time or options.evaluate):
        raise UsageError("--json needs --time or --evaluate")
    if options.json and not Path(options.json).parent.is_dir():  # an error now, not after the measurements
        raise UsageError(f"--json {options.json}: there is no folder {Path(options.json).parent}")


def _parser() -> Parser:
    parser = Parser(
        prog="train.py",
        description="Train a network on images, resume a training, use a trained network, or time a network.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.toml")))
    add = parser.add_argument
    add("--config", metavar="NAME", help=f"the config: {names}, or the path FILE.toml of your own")
    add("--list", action="store_true", help="print the purpose of each config, and exit")
    data_help = "images in CLASS/**, or in train/CLASS/** and test/CLASS/**; or CIFAR-10's python batches"
    add("--data", metavar="DIR", help=data_help)
    add("--device", metavar="DEVICE", default="auto", help="auto (a working GPU, else the CPU), cpu, cuda or cuda:N")
    add("--epochs", metavar="N", help="the same as --set epochs=N")
    add("--batch-size", metavar="N", help="images per minibatch, the same as --set batch_size=N")
    add("--seed", metavar="N", help="seed of all random numbers, the same as --set seed=N")
    graph_help = "launch each step on a GPU as one CUDA graph, the same as --set graph=true or false (default: true)"
    add("--graph", action=argparse.BooleanOptionalAction, help=graph_help)
    add("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="change keys of the config")
    add("--out", metavar="DIR", help="folder for the run's files (default: runs/NAME-TIME)")
    resume_help = "resume the run in DIR or from the checkpoint FILE; without a name the latest run in runs/"
    add("--resume", metavar="DIR|FILE", nargs="?", const=LATEST_RUN, help=resume_help)
    add("--evaluate", metavar="FILE", help="accuracy, loss and confusion matrix of a checkpoint's network")
    add("--predict", metavar=("FILE", "IMAGE"), nargs="+", help="classify images with a checkpoint's network")
    add("--time", action="store_true", help="time one training iteration on random images, without training")
    add("--inference", action="store_true", help="with --time: time the forward pass for one image and a minibatch")
    add("--json", metavar="FILE", help="with --time or --evaluate: also write the results to FILE")
    add("--version", action="store_true", help="print the version and exit")
    return parser
