"""Train a network, use it, or time it: python train.py --config cifar. `--help` says the rest."""

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

# numpy and all that stands on it are imported where they are used, so that --help and a mistyped option answer at once


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 for a failure on the way, 2 for bad input, 130 after Ctrl-C."""
    warnings.filterwarnings("ignore", module="PIL")  # of odd metadata, in pictures that it reads all the same
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
    with _ctrl_c_ends_at_once():
        import tinyfft
        from commands import configs, time, train, use
        from datasets import DataError
        from tinyfft.checkpoint import CheckpointError
        from tinyfft.config import ConfigError
        from tinyfft.run_folder import RunFolderError
        from tinyfft.trainer import DivergedError

    try:
        if options.list:
            return configs.show()
        if options.time:
            return time.measure(options)
        if options.evaluate is not None:
            return use.evaluate(options)
        if options.predict is not None:
            return use.predict(options)
        return train.resume(options) if options.resume is not None else train.start(options)
    except (UsageError, ConfigError, DataError, CheckpointError, RunFolderError) as error:
        return _fail(error, 2)
    except (DivergedError, tinyfft.arena.LimitError) as error:
        return _fail(error, 1)


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


def _fail(error: object, code: int) -> int:
    print(f"train.py: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
