"""Train a network, or time it: python train.py --config cifar. `--help` says the rest."""

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# numpy and all that stands on it are imported where they are used, so that --help and a mistyped option answer at once

EXAMPLES = """examples:
  python train.py --config cifar                       CIFAR-10, downloaded at the first start
  python train.py --config cifar --data my-pictures    my-pictures/train/CLASS/*.jpg, my-pictures/test/CLASS/*.jpg
  python train.py --config cifar --epochs 2 --set optimizer.learning_rate=0.05 model.channels=[16,32,64]
  python train.py --config paper --time --json paper.json
"""


class UsageError(ValueError):
    """A request that cannot be met as it stands."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """One line, where argparse prints its usage too."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 for a failure on the way, 2 for bad input, 130 after Ctrl-C."""
    try:
        options = _parser().parse_args(arguments)
        if options.json and not options.time:
            raise UsageError("--json needs --time")
        if options.json and not Path(options.json).parent.is_dir():  # better known now than after the measurements
            raise UsageError(f"--json {options.json}: there is no folder {Path(options.json).parent}")
        return _run(options)
    except UsageError as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error, 1)
    except MemoryError as error:
        return _fail(f"not enough memory, try a smaller --batch-size or --set arena.limit_bytes=N ({error})", 1)
    except KeyboardInterrupt:
        print("train.py: interrupted", file=sys.stderr)
        return 130


def _parser() -> Parser:
    parser = Parser(
        prog="train.py",
        description="Train a network on pictures, or time one iteration of its training.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = ", ".join(sorted(path.stem for path in (Path(__file__).parent / "configs").glob("*.toml")))
    add = parser.add_argument
    add("--config", metavar="NAME", required=True, help=f"what to run: {names}, or a FILE.toml of your own")
    add("--data", metavar="DIR", help="pictures: train/CLASS/*.jpg|png and test/CLASS/*, or CIFAR-10's python batches")
    add("--device", metavar="DEVICE", default="auto", help="auto (a working GPU, else the CPU), cpu, cuda or cuda:N")
    add("--epochs", metavar="N", help="the same as --set epochs=N")
    add("--batch-size", metavar="N", help="pictures in a minibatch, the same as --set batch_size=N")
    add("--seed", metavar="N", help="of all random numbers, the same as --set seed=N")
    add("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="change keys of the config")
    add("--out", metavar="DIR", help="folder for what the run leaves behind (default: runs/NAME-TIME)")
    add("--time", action="store_true", help="time one training iteration on random pictures instead of training")
    add("--json", metavar="FILE", help="with --time: write the measurements to FILE as well")
    add("--version", action=_Version, nargs=0, help="print the version and exit")
    return parser


class _Version(argparse.Action):
    """Looks the version up only when asked, since that imports the package."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import tinyfft

        print(f"tinyfft {tinyfft.__version__}")
        parser.exit()


def _run(options: argparse.Namespace) -> int:
    with _ctrl_c_ends_at_once():
        import models  # noqa: F401
        import tinyfft
        from datasets import DataError
        from tinyfft import timing  # noqa: F401
        from tinyfft.config import ConfigError, load_config
        from tinyfft.run_folder import RunFolderError
        from tinyfft.trainer import DivergedError

    given = {"epochs": options.epochs, "batch_size": options.batch_size, "seed": options.seed}
    overrides = options.set + [f"{key}={value}" for key, value in given.items() if value is not None]
    try:
        config = load_config(options.config, overrides)
        device = _device(options.device)
        if config.arena.limit_bytes:
            tinyfft.arena.limit_bytes[device] = config.arena.limit_bytes
        if options.time:
            _time(config, device, options.json)
        else:
            _train(config, device, options)
    except (ConfigError, DataError, RunFolderError) as error:
        return _fail(error, 2)
    except (DivergedError, tinyfft.arena.LimitError) as error:
        return _fail(error, 1)
    return 0


@contextmanager
def _ctrl_c_ends_at_once() -> Iterator[None]:
    """For imports: NumPy takes an interrupt of its own for a broken installation, and says so at length."""

    def stop(*_: Any) -> None:
        os.write(sys.stderr.fileno(), b"train.py: interrupted\n")
        os._exit(130)

    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # not where the caller wants Ctrl-C ignored
        signal.signal(signal.SIGINT, stop)
    yield
    signal.signal(signal.SIGINT, handler)


def _train(config: Any, device: Any, options: argparse.Namespace) -> None:
    import datasets
    from tinyfft import progress, run_folder

    folder = run_folder.choose(options.out, Path(options.config).stem)
    show = progress.for_terminal()
    print(f"device {device} ({device.hardware})", flush=True)
    data = datasets.load(config.data.name, options.data, progress=sys.stderr.isatty(), report=show.write)
    print(
        f"data {data.name}: {len(data.train_images)} training and {len(data.test_images)} test pictures, "
        f"{len(data.classes)} classes",
        flush=True,
    )
    network = make_network(config, data.train_images.shape[1:], len(data.classes))
    train_loader, test_loader = make_loaders(config, device, data)
    trainer = make_trainer(config, network, len(train_loader), show)
    run = run_folder.RunFolder(folder, config)
    print(f"writing to {run.path}", flush=True)
    start = time.monotonic()
    for metrics in trainer.fit(train_loader, test_loader, config.epochs, data.name):
        run.add_epoch(metrics, network)
        print(
            f"epoch {metrics['epoch']}/{config.epochs}: "
            f"train loss {metrics['train_loss']:.4f}, accuracy {metrics['train_accuracy']:.4f}; "
            f"test loss {metrics['test_loss']:.4f}, accuracy {metrics['test_accuracy']:.4f}; "
            f"{metrics['seconds']:.1f} s, {metrics['images_per_second']:.0f} images/s",
            flush=True,
        )
    print(
        f"test accuracy {metrics['test_accuracy']:.4f}, loss {metrics['test_loss']:.4f}, "
        f"after {config.epochs} epochs in {time.monotonic() - start:.1f} s",
        flush=True,
    )


def _time(config: Any, device: Any, json_path: str | None) -> None:
    from tinyfft import timing

    print(f"device {device} ({device.hardware})", flush=True)
    network = make_network(config, config.timing.input_shape, config.timing.classes)
    report = timing.measure(network, config)
    print(timing.table(report), flush=True)
    if json_path:
        Path(json_path).write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _device(name: str) -> Any:
    import tinyfft

    try:
        return tinyfft.use_device(name)
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    except ValueError as error:
        raise UsageError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N") from error


def make_network(config: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """The config's network with initial weights from its seed, on the current device."""
    import models
    import tinyfft

    tinyfft.manual_seed(config.seed)
    try:
        return models.build(config, input_shape, classes)
    except ValueError as error:  # a precision that the device lacks, pictures too small
        raise UsageError(str(error)) from error


def make_loaders(config: Any, device: Any, data: Any) -> tuple[Any, Any]:
    """The loaders of the training and of the test pictures, normalised by the statistics of the former."""
    import datasets

    mean, std = datasets.channel_statistics(data.train_images)
    workers = config.data.workers
    shared = {"batch_size": config.batch_size, "device": device, "mean": mean, "std": std, "workers": workers}
    train_loader = datasets.Loader(
        data.train_images,
        data.train_labels,
        shuffle=True,
        crop=config.data.crop,
        flip=config.data.flip,
        seed=config.seed,
        # a last minibatch of another size would have algorithms chosen for it too, and weigh as much as a whole one
        drop_last=len(data.train_images) >= config.batch_size,
        **shared,
    )
    test_loader = datasets.Loader(data.test_images, data.test_labels, **shared)
    return train_loader, test_loader


def make_trainer(config: Any, network: Any, steps_per_epoch: int, show: Any) -> Any:
    """The Trainer with the config's loss, optimizer and schedule; `show` is a progress.Bars or progress.Lines."""
    from tinyfft import nn, optim
    from tinyfft.trainer import Trainer

    o = config.optimizer
    optimizer = optim.SGD(*network.getParameters(), o.learning_rate, o.momentum, o.nesterov, o.weight_decay)
    steps = config.epochs * steps_per_epoch
    schedule = optim.Schedule(peak=o.learning_rate, total_steps=steps, **dataclasses.asdict(config.schedule))
    criterion = nn.CrossEntropyCriterion(label_smoothing=config.loss.label_smoothing)
    return Trainer(network, criterion, optimizer, schedule, show, after_step=_show_algorithms)


def _show_algorithms(trainer: Any) -> None:
    """After the first minibatch: how each convolution computes each pass."""
    if trainer.step == 1:
        for name, module in trainer.network.modules():
            if hasattr(module, "algorithms"):
                chosen = ", ".join(f"{key} {value}" for key, value in module.algorithms.items() if value)
                trainer.progress.write(f"layer {name} ({type(module).__name__}): {chosen}")


def _fail(error: object, code: int) -> int:
    print(f"train.py: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
