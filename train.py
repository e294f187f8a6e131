"""Train a network, use it, or time it: python train.py --config cifar. `--help` lists the options."""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from commands.errors import UsageError
from commands.options import parse

# numpy, and everything that imports it, is imported later, so that --help and a mistyped option answer at once


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Return the exit code: 0, 1 for a failure while it runs, 2 for bad input, 130 after Ctrl-C."""
    warnings.filterwarnings("ignore", module="PIL")  # odd metadata in images that PIL can read nevertheless
    try:
        return _run(parse(arguments))
    except UsageError as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error, 1)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}; a smaller --batch-size may help", 1)
    except KeyboardInterrupt:
        print("train.py: interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    with _exit_at_ctrl_c():
        import tinyfft
        from commands import evaluate, list_configs, predict, resume, time, train
        from datasets import DataError
        from tinyfft.runs.config import ConfigError
        from tinyfft.runs.run_folder import RunFolderError
        from tinyfft.training.checkpoint import CheckpointError
        from tinyfft.training.trainer import DivergedError

    if options.version:
        print(f"tinyfft {tinyfft.__version__}")
        return 0
    try:
        if options.list:
            return list_configs.run(options)
        if options.time:
            return time.run(options)
        if options.evaluate is not None:
            return evaluate.run(options)
        if options.predict is not None:
            return predict.run(options)
        return resume.run(options) if options.resume is not None else train.run(options)
    except (UsageError, ConfigError, DataError, CheckpointError, RunFolderError) as error:
        return _fail(error, 2)
    except (DivergedError, tinyfft.arena.LimitError) as error:
        return _fail(error, 1)


@contextmanager
def _exit_at_ctrl_c() -> Iterator[None]:
    """Exit at once at Ctrl-C during imports: NumPy would report the interrupt as a broken installation."""

    def stop(*_: Any) -> None:
        os.write(sys.stderr.fileno(), b"train.py: interrupted\n")
        os._exit(130)

    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # the caller may have set SIGINT to be ignored
        signal.signal(signal.SIGINT, stop)
    yield
    signal.signal(signal.SIGINT, handler)


def _fail(error: object, code: int) -> int:
    print(f"train.py: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
