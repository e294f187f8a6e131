"""The configuration of a run: every key of configs/*.toml, with its type, default and limits.

    config = load_config("cifar", ["epochs=2", "optimizer.learning_rate=0.05"])
    config.optimizer.learning_rate

configs/cifar.toml and configs/folder.toml explain the keys. To add one, add a line to a class below. A wrong key, type
or value raises a ConfigError that names the key.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinyfft.runs.toml_schema import ConfigError, flatten, from_table, key, to_toml

__all__ = ["CONFIGS", "Config", "ConfigError", "differing_keys", "load_config", "parse_config", "to_toml"]

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@dataclass(frozen=True)
class Data:
    name: str = key("cifar10", choices=("cifar10", "cifar10-sample", "folder"))
    size: int = key(0, at_least=0)  # pixels; 0: all images of a folder have the same size
    fit: str = key("crop", choices=("crop", "stretch"))
    bad_pictures: str = key("refuse", choices=("refuse", "skip"))
    test_fraction: float = key(0.2, above=0, below=1)  # of the images of a folder that has no folder `test`
    crop: int = key(0, at_least=0)  # pixels
    flip: bool = False
    cutout: int = key(0, at_least=0)  # pixels
    workers: int = key(1, at_least=0)  # threads


@dataclass(frozen=True)
class ConvnetModel:
    """The arguments of models.convnet."""

    name: str = key("convnet", choices=("convnet",))
    channels: tuple[int, ...] = key((32, 64, 128), at_least=1)
    kernel_sizes: tuple[int, ...] = key((5, 5, 5), at_least=1)
    pool_after: tuple[int, ...] = key((1, 2, 3), at_least=1)
    residual_after: tuple[int, ...] = key((), at_least=1)
    global_pool: bool = False
    dropout: float = key(0.0, at_least=0, below=1)


@dataclass(frozen=True)
class PaperModel:
    """models.paper takes no arguments from a config."""

    name: str = key("paper", choices=("paper",))


@dataclass(frozen=True)
class Loss:
    label_smoothing: float = key(0.0, at_least=0, below=1)


@dataclass(frozen=True)
class Optimizer:
    learning_rate: float = key(0.1, above=0)
    momentum: float = key(0.0, at_least=0, below=1)
    nesterov: bool = False
    weight_decay: float = key(0.0, at_least=0)

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise ConfigError("optimizer.nesterov is true and optimizer.momentum 0, expected a momentum above 0")


@dataclass(frozen=True)
class Schedule:
    """The arguments of optim.Schedule. The kind decides which of them are used."""

    kind: str = key("constant", choices=("constant", "one_cycle", "step"))
    warmup: float = key(0.25, at_least=0, below=1)
    decay: str = key("linear", choices=("linear", "cosine"))
    milestones: tuple[float, ...] = key((0.5, 0.75), above=0, below=1)
    factor: float = key(0.1, above=0, at_most=1)


@dataclass(frozen=True)
class Validation:
    fraction: float = key(0.0, at_least=0, below=1)  # of the training images


@dataclass(frozen=True)
class Evaluation:
    mirror: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """Arguments of RunFolder."""

    every_steps: int = key(0, at_least=0)
    every_minutes: float = key(5.0, at_least=0)
    keep: int = key(2, at_least=0)


@dataclass(frozen=True)
class Arena:
    limit_bytes: int = key(0, at_least=0)  # 0: no limit


@dataclass(frozen=True)
class Timing:
    input_shape: tuple[int, ...] = key((3, 32, 32), at_least=1, length=3)
    classes: int = key(10, at_least=2)


@dataclass(frozen=True)
class Config:
    algorithm: str = key("auto", choices=("auto", "fft", "direct"))
    precision: str = key("fp32", choices=("fp32", "tf32", "bf16"))
    memory: str = key("recompute", choices=("recompute", "keep", "auto"))
    deterministic: bool = False
    graph: bool = True
    epochs: int = key(10, at_least=1)
    batch_size: int = key(128, at_least=1)
    seed: int = key(1, at_least=0)
    tensorboard: bool = False
    data: Data = field(default_factory=Data)
    model: ConvnetModel | PaperModel = field(default_factory=ConvnetModel)  # model.name selects the class
    loss: Loss = field(default_factory=Loss)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    validation: Validation = field(default_factory=Validation)
    evaluation: Evaluation = field(default_factory=Evaluation)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    arena: Arena = field(default_factory=Arena)
    timing: Timing = field(default_factory=Timing)


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration in the file configs/NAME.toml or PATH.toml, changed by the overrides.

    overrides  texts "dotted.key=value". A value is read as TOML, or as a string if it is not valid TOML: quotes may be
               left out
    """
    path = _find(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
        parse_config(text)  # without the overrides, so that an error in the file is reported with the file's path
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_config(text, overrides)


def parse_config(text: str, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration in a TOML text, changed by the overrides."""
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"not valid TOML: {error}") from error
    for override in overrides:
        _override(table, override)
    return from_table(Config, table)


def differing_keys(one: Config, other: Config) -> list[str]:
    """Return the dotted names of the keys whose values differ."""
    a, b = (flatten(asdict(config)) for config in (one, other))
    return [name for name in {**a, **b} if a.get(name) != b.get(name)]


def _find(name_or_path: str) -> Path:
    if name_or_path.endswith(".toml"):
        return Path(name_or_path)
    path = CONFIGS / f"{name_or_path}.toml"
    available = sorted(file.stem for file in CONFIGS.glob("*.toml"))
    if name_or_path not in available:
        raise ConfigError(
            f"unknown config {name_or_path!r}, expected one of {', '.join(available) or '(none)'} from {CONFIGS}, "
            f"or a file that ends in .toml"
        )
    return path


def _override(table: dict[str, Any], text: str) -> None:
    """Set the value of "dotted.key=value" in the table."""
    key, equals, value_text = text.partition("=")
    *tables, last = (part.strip() for part in key.split("."))
    if not equals or not all([*tables, last]):
        raise ConfigError(f"--set {text}: expected key=value, for example optimizer.learning_rate=0.05")
    for depth, name in enumerate(tables):
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{key}: {'.'.join(tables[: depth + 1])} is a single value and has no keys below it")
    try:
        values = tomllib.loads(f"value = {value_text}")
    except ValueError:  # a string without quotes
        values = {}
    # a text with line breaks may be read as several keys: it is one string
    table[last] = values["value"] if values.keys() == {"value"} else value_text.strip()
