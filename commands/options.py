"""The command line of train.py. Nothing here imports numpy, so that --help and a mistyped option answer at once."""

import argparse
from pathlib import Path
from typing import Any

from commands.errors import UsageError

CONFIGS = Path(__file__).resolve().parent.parent / "configs"

EXAMPLES = """examples:
  python train.py --config cifar                       CIFAR-10, downloaded at the first start
  python train.py --config folder --data my-pictures   my-pictures/CLASS/**/*.jpg, of any size
  python train.py --config cifar --epochs 2 --set optimizer.learning_rate=0.05 data.crop=2
  python train.py --resume runs/cifar-20260101-120000  goes on where that run was stopped; without a name the latest
  python train.py --evaluate runs/cifar-20260101-120000/best.safetensors
  python train.py --predict best.safetensors cat.jpg   the classes, each with its probability
  python train.py --config paper --time --json paper.json
  python train.py --config paper --time --inference
"""

LATEST = object()
"""What --resume without a name stands for."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """One line, where argparse prints its usage too."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options. Raises UsageError for those that do not go together."""
    options = _parser().parse_args(arguments)
    _check(options)
    return options


def overrides(options: argparse.Namespace) -> list[str]:
    """All "key=value" that change the config."""
    given = {"epochs": options.epochs, "batch_size": options.batch_size, "seed": options.seed}
    given["graph"] = None if options.graph is None else str(options.graph).lower()
    return options.set + [f"{key}={value}" for key, value in given.items() if value is not None]


def _check(options: argparse.Namespace) -> None:
    modes = {"--resume": options.resume, "--evaluate": options.evaluate, "--predict": options.predict}
    asked = [name for name, value in modes.items() if value is not None] + ["--time"] * options.time
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} are two commands, expected one")
    if not asked and not options.list and options.config is None:
        raise UsageError("--config is missing, expected NAME (--list says which there are), or --resume")
    if options.time and options.config is None:
        raise UsageError("--time needs --config")
    if asked and asked[0] in ("--evaluate", "--predict"):
        for name in ("config", "set", "epochs", "seed", "out", "graph"):
            if getattr(options, name) not in (None, []):
                raise UsageError(f"--{name} does not go with {asked[0]}: the checkpoint says what the network is")
    if options.inference and not options.time:
        raise UsageError("--inference needs --time")
    if options.predict is not None and len(options.predict) < 2:
        raise UsageError("--predict: expected a FILE and at least one PICTURE")
    if options.json and not (options.time or options.evaluate):
        raise UsageError("--json needs --time or --evaluate")
    if options.json and not Path(options.json).parent.is_dir():  # better known now than after the measurements
        raise UsageError(f"--json {options.json}: there is no folder {Path(options.json).parent}")


def _parser() -> Parser:
    parser = Parser(
        prog="train.py",
        description="Train a network on pictures, go on with a training, use what it has learned, or time it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.toml")))
    add = parser.add_argument
    add("--config", metavar="NAME", help=f"what to run: {names}, or a FILE.toml of your own")
    add("--list", action="store_true", help="say what each config is for, and exit")
    add(
        "--data",
        metavar="DIR",
        help="pictures: CLASS/**, or train/CLASS/** and test/CLASS/**; or CIFAR-10's python batches",
    )
    add("--device", metavar="DEVICE", default="auto", help="auto (a working GPU, else the CPU), cpu, cuda or cuda:N")
    add("--epochs", metavar="N", help="the same as --set epochs=N")
    add("--batch-size", metavar="N", help="pictures in a minibatch, the same as --set batch_size=N")
    add("--seed", metavar="N", help="of all random numbers, the same as --set seed=N")
    graph_help = "a GPU's steps as one CUDA graph, or not: the same as --set graph=true and graph=false (default: true)"
    add("--graph", action=argparse.BooleanOptionalAction, help=graph_help)
    add("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="change keys of the config")
    add("--out", metavar="DIR", help="folder for what the run leaves behind (default: runs/NAME-TIME)")
    resume_help = "go on with the run in DIR or of the checkpoint FILE; without a name with the latest one in runs/"
    add("--resume", metavar="DIR|FILE", nargs="?", const=LATEST, help=resume_help)
    add("--evaluate", metavar="FILE", help="accuracy, loss and a confusion table of a checkpoint's network")
    add("--predict", metavar=("FILE", "PICTURE"), nargs="+", help="the classes of pictures, by a checkpoint's network")
    add("--time", action="store_true", help="time one training iteration on random pictures instead of training")
    add("--inference", action="store_true", help="with --time: a network in use, for one picture and for a minibatch")
    add("--json", metavar="FILE", help="with --time or --evaluate: write the measurements to FILE as well")
    add("--version", action=_Version, nargs=0, help="print the version and exit")
    return parser


class _Version(argparse.Action):
    """Looks the version up only when asked, since that imports the package."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import tinyfft

        print(f"tinyfft {tinyfft.__version__}")
        parser.exit()
