"""What all benchmarks share on their way out: the machine, the command, tables in Markdown, files."""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tinyfft
from datasets import DataError
from tinyfft.backend import Device
from tinyfft.config import ConfigError
from tinyfft.fourier import product
from tinyfft.trainer import DivergedError

OUTPUTS = ("json", "markdown", "plots", "from_file", "resume")
"""Options that say where measurements go or come from, and change none of them."""


class UsageError(ValueError):
    """A request that cannot be met as it stands."""


def run(main: Callable[[], None]) -> None:
    """Call `main` as a command: what is asked for and cannot be had is one line and exit code 2, no traceback."""
    try:
        main()
    except (UsageError, ConfigError, DataError, DivergedError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def parser(module: str, docstring: str) -> argparse.ArgumentParser:
    """For `python -m benchmarks.MODULE`, with the options that every benchmark has."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=docstring.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the measurements to FILE")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables to FILE")
    return parser


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device, as train.py has it."""
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="auto: a GPU, else the CPU")


def add_precisions(parser: argparse.ArgumentParser) -> None:
    """The option --precisions; `precisions` says what they are on a device."""
    parser.add_argument("--precisions", nargs="+", choices=product.PRECISIONS, help="default: all that the device has")


def add_resume(parser: argparse.ArgumentParser) -> None:
    """The option --resume; `resume` says what it does."""
    parser.add_argument("--resume", action="store_true", help="go on with what the FILE of --json holds already")


def use_device(name: str) -> Device:
    """tinyfft.use_device. Raises UsageError, saying what failed, if it does not work."""
    try:
        return tinyfft.use_device(name)
    except RuntimeError as error:
        raise UsageError(str(error)) from error


def precisions(asked: list[str] | None, device: Device) -> list[str]:
    """Those asked for, or all that the device has. Raises UsageError for one that it has not."""
    available = product.precisions(device)
    for precision in asked or ():
        if precision not in available:
            raise UsageError(f"--precisions: {precision} on {device}, expected {' or '.join(available)}")
    return asked or list(available)


def command(prog: str, options: argparse.Namespace) -> str:
    """The command line that measures the same again, every option written out."""
    words = [prog]
    for name, value in vars(options).items():
        if value not in (None, []) and name not in OUTPUTS:
            values = value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *(str(each) for each in values)]
    return " ".join(words)


def resume(options: argparse.Namespace, found: dict[str, Any]) -> set[tuple[str, str]]:
    """With --resume, take over the rows of the file that --json names. Returns (layer, precision) of each.

    Raises UsageError if no file is named, or if another machine or another command measured them.
    """
    if not options.resume:
        return set()
    if not options.json:
        raise UsageError("--resume: no --json FILE to go on with")
    earlier = json.loads(Path(options.json).read_text(encoding="utf-8"))
    for name in ("command", "machine"):
        if earlier[name] != found[name]:
            raise UsageError(f"--resume: the {name} of {options.json} is {earlier[name]}, expected {found[name]}")
    found["rows"] += earlier["rows"]
    return {(row["layer"], row["precision"]) for row in earlier["rows"]}


def machine(device: Device) -> dict[str, str]:
    """What measurements depend on, without the peer's versions (peers.py)."""
    found = {"hardware": device.hardware, "device": str(device)}
    if device.kind == "cuda":
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", f"--id={device.index}"]
        found["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
        found["cupy"] = device.xp.__version__
    return found | {"numpy": np.__version__, "python": platform.python_version(), "tinyfft": tinyfft.__version__}


def machine_line(report: dict[str, Any]) -> str:
    """The machine of a report in one line: its hardware, then names and versions."""
    hardware, *rest = report["machine"].items()
    return ", ".join([hardware[1], *(f"{name} {value}" for name, value in rest)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    return [table_row(head), table_row(["---"] * len(head)), *(table_row(row) for row in rows)]


def table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def document(title: str, report: dict[str, Any], lines: Iterable[str]) -> str:
    """A page in Markdown: title, machine, command, then the lines."""
    return "\n".join([f"# {title}", "", machine_line(report), "", f"`{report['command']}`", "", *lines]) + "\n"


def write(options: argparse.Namespace, report: dict[str, Any], text: str) -> None:
    """The files that the options ask for, each at once: a run cut off leaves the one before it whole."""
    for path, content in ((options.json, json.dumps(report, indent=1) + "\n"), (options.markdown, text)):
        if path:
            temporary = Path(f"{path}.part")
            temporary.write_text(content, encoding="utf-8")
            temporary.replace(path)
