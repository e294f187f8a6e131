"""Options, machine, Markdown tables and files that all benchmarks share."""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import tinyfft
from datasets import DataError
from tinyfft.backend import Device
from tinyfft.config import ConfigError
from tinyfft.fourier import product
from tinyfft.training.trainer import DivergedError

Row = dict[str, Any]
Report = dict[str, Any]
Markdown = Callable[[Report], str]
Options = argparse.Namespace

EXTRAS = {"torch": "benchmarks", "fft_conv_pytorch": "benchmarks", "matplotlib": "report"}
"""Optional package -> the extra of tinyfft that installs it."""

OPTIONS = {
    "json": {"metavar": "FILE", "help": "write the measurements to FILE"},
    "markdown": {"metavar": "FILE", "help": "write the tables to FILE"},
    "device": {"choices": ("auto", "cuda", "cpu"), "default": "auto", "help": "auto: a GPU, else the CPU"},
    "configs": {"nargs": "+", "metavar": "NAME", "help": "from configs/"},
    "layers": {"nargs": "+", "metavar": "NAME"},
    "precisions": {"nargs": "+", "choices": product.PRECISIONS, "help": "default: all that the device has"},
    "batch-size": {"type": int, "metavar": "N", "help": "minibatch, instead of the config's or the layer's own"},
    "set": {"nargs": "+", "default": [], "metavar": "KEY=VALUE", "help": "change keys of the config"},
    "resume": {"action": "store_true", "help": "keep the rows of --json's FILE and measure the others"},
    "plots": {"metavar": "DIR", "help": "draw the figures in DIR"},
    "from": {"nargs": "+", "metavar": "FILE", "dest": "from_files", "help": "read earlier JSON instead of measuring"},
}
"""Options of several benchmarks, for argparse."""

FILE_OPTIONS = ("json", "markdown", "plots", "from_files", "resume")  # they change no measurement


class UsageError(ValueError):
    """A request that the benchmark cannot serve on this machine or with these options."""


def run(main: Callable[[], None]) -> None:
    """Call `main` as a command. An error that the user can mend becomes one line and exit code 2."""
    try:
        main()
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        _fail(f'{error.name} is not installed: pip install -e ".[{EXTRAS[error.name]}]"')
    except (UsageError, ConfigError, DataError, DivergedError, OSError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def parse(module: str, docstring: str, *flags: str, **changes: dict[str, Any]) -> Options:
    """Parse the command line of `python -m benchmarks.MODULE`: --json, --markdown and `flags`.

    `changes` extend or define entries of OPTIONS, for example layers={"default": ["net-L1"]}.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=docstring.partition("\n")[0])
    for flag in ("json", "markdown", *flags):
        parser.add_argument(f"--{flag}", **OPTIONS.get(flag, {}) | changes.get(flag.replace("-", "_"), {}))
    return parser.parse_args()


def use_device(name: str) -> Device:
    """Call tinyfft.use_device. Raises UsageError with the reason if the device does not work."""
    try:
        return tinyfft.use_device(name)
    except RuntimeError as error:
        raise UsageError(str(error)) from error


def precisions(asked: list[str] | None, device: Device) -> list[str]:
    """Return the precisions asked for, by default all that the device has. Raises UsageError for any other."""
    available = product.precisions(device)
    for precision in asked or ():
        if precision not in available:
            raise UsageError(f"--precisions: {precision} on {device}, expected {' or '.join(available)}")
    return asked or list(available)


def begin(module: str, options: Options, device: Device, peer: dict[str, str] | None = None) -> Report:
    """Return the head of a report: the machine, with the versions of the peer, and the command."""
    return {"machine": machine(device) | (peer or {}), "command": command(f"python -m benchmarks.{module}", options)}


def add(found: Report, row: Row, line: str, options: Options, markdown: Markdown) -> None:
    """Append a row to the report, print its line and write the files. An interrupted run keeps its finished rows."""
    found.setdefault("rows", []).append(row)
    print(line, flush=True)
    write(options, found, markdown(found))


def produce(options: Options, measure: Callable, markdown: Markdown, plot: Callable) -> None:
    """Measure, or read the files of --from. Then write the files and draw the figures that the options name."""
    found = earlier(options.from_files) if options.from_files else measure(options)
    write(options, found, markdown(found))
    if options.plots:
        plot(found, Path(options.plots))


def command(prog: str, options: Options) -> str:
    """Return the command line that repeats a measurement, with every option written out."""
    words = [prog]
    for name, value in vars(options).items():
        if value not in (None, []) and name not in FILE_OPTIONS:
            values = value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *(str(each) for each in values)]
    return " ".join(words)


def resume(options: Options, found: Report) -> set[tuple[str, str]]:
    """With --resume, take over the rows of --json's file. Returns (layer, precision) of each.

    Raises UsageError if no file is named, or if another machine or another command measured the rows.
    """
    if not options.resume:
        return set()
    if not options.json:
        raise UsageError("--resume: no --json FILE, expected the file to continue")
    before = _read(options.json)
    for name in ("command", "machine"):
        if before[name] != found[name]:
            raise UsageError(f"--resume: the {name} of {options.json} is {before[name]}, expected {found[name]}")
    found["rows"] = before["rows"]
    return {(row["layer"], row["precision"]) for row in before["rows"]}


def earlier(paths: Sequence[str]) -> Report:
    """Return one report with the rows of all these files. Raises UsageError if two machines measured them."""
    first, *others = reports = [_read(path) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        if other["machine"] != first["machine"]:
            raise UsageError(f"--from: the machine of {path} is {other['machine']}, expected {first['machine']}")
    commands = "; ".join(report["command"] for report in reports)
    return first | {"command": commands, "rows": [row for report in reports for row in report["rows"]]}


def _read(path: str) -> Report:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def machine(device: Device) -> dict[str, str]:
    """Return hardware and versions that measurements depend on, without the peer's (peers.py)."""
    found = {"hardware": device.hardware, "device": str(device)}
    if device.kind == "cuda":
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", f"--id={device.index}"]
        found["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
        found["cupy"] = device.xp.__version__
    return found | {"numpy": np.__version__, "python": platform.python_version(), "tinyfft": tinyfft.__version__}


def table(head: str, cells: str, rows: Iterable[Row]) -> str:
    """Return a Markdown table. `cells` is a format string for a row's keys."""
    rule = " | ".join(["---"] * len(head.split(" | ")))
    return "\n".join(f"| {line} |" for line in (head, rule, *map(cells.format_map, rows)))


def lengths(row: Row) -> dict[str, str]:
    """Return {"N": a plan's transform lengths and tiles}, for a table."""
    tiles = f", {row['tiles']} tiles" if row["tiles"] > 1 else ""
    return {"N": "{} x {}".format(*row["lengths"]) + tiles}


def slower(ratios: Iterable[tuple[str, dict[str, float]]]) -> str:
    """Return a line for each (name of a row, ratios) with a ratio below 1: there PyTorch is faster."""
    found = [(name, [f"{key} {ratio:.2f}" for key, ratio in row.items() if not ratio >= 1]) for name, row in ratios]
    lines = [f"- {name}: {', '.join(below)}" for name, below in found if below]
    return "\n".join(lines) or "Nowhere."


def document(title: str, found: Report, *paragraphs: str) -> str:
    """Return a page in Markdown: title, machine, command, then the paragraphs."""
    hardware, *rest = found["machine"].items()
    machine_line = ", ".join([hardware[1], *(f"{name} {value}" for name, value in rest)])
    return "\n\n".join([f"# {title}", machine_line, f"`{found['command']}`", *paragraphs]) + "\n"


def write(options: Options, found: Report, text: str) -> None:
    """Write the files that the options name. An interrupted write leaves the earlier file whole."""
    for path, content in ((options.json, json.dumps(found, indent=1) + "\n"), (options.markdown, text)):
        if path:
            temporary = Path(f"{path}.part")
            temporary.write_text(content, encoding="utf-8")
            temporary.replace(path)
