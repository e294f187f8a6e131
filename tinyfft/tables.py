"""TOML tables as frozen dataclasses: types, limits and defaults stand in the class, every mistake is named by its key.

    @dataclass(frozen=True)
    class Loss:
        label_smoothing: float = key(0.0, at_least=0, below=1)

Types  bool, int, float, str, tuple[one of them, ...], another such class (a table), and A | B of such classes: the
       table's `name` chooses the one whose default name it is
"""

import dataclasses
import difflib
import json
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "a list", dict: "a table"}


class ConfigError(ValueError):
    """A configuration that cannot be used; the text names the key, what came and what was expected."""


def key(default: Any, **limits: Any) -> Any:
    """A key's default and limits: at_least, at_most, above, below, choices (of each entry in a list), length; `words`
    are strings that may stand in place of its type."""
    return dataclasses.field(default=default, metadata=limits)


def from_table(kind: type, table: dict[str, Any]) -> Any:
    """`table` as an object of `kind`. Raises ConfigError for keys, types and values that it does not have."""
    return _Reader(kind).read(kind, table, "")


def to_text(values: Any) -> str:
    """An object of such a class as TOML, every key written out."""
    top = dataclasses.asdict(values)
    lines = [f"{name} = {value_text(value)}" for name, value in top.items() if not isinstance(value, dict)]
    for name, table in top.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{inner} = {value_text(value)}" for inner, value in table.items())]
    return "\n".join(lines) + "\n"


def dotted(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a table and of the tables in it, by dotted key."""
    found = {}
    for name, value in table.items():
        found |= dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def value_text(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML alone forbids a bare DEL
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {value_text(entry)}' for name, entry in value.items())}}}"
    return str(value)


class _Reader:
    """Reads tables; knows the outermost class, so that a key in the wrong table can be told where it belongs."""

    def __init__(self, root: type) -> None:
        self._root = root

    def read(self, kind: type, table: dict[str, Any], prefix: str) -> Any:
        """`prefix` is the dotted name of the table with a dot at its end, empty for the outermost."""
        types = get_type_hints(kind)
        values = {}
        for name, value in table.items():
            if name not in types:
                raise ConfigError(self._unknown(prefix + name, kind, prefix))
            limits = kind.__dataclass_fields__[name].metadata
            values[name] = self._convert(types[name], value, prefix + name, limits)
        return kind(**values)

    def _convert(self, kind: Any, value: Any, dotted: str, limits: Mapping[str, Any]) -> Any:
        if words := limits.get("words", ()):
            if isinstance(value, str) and value in words:
                return value
            kind = get_args(kind)[0]  # of int | str
        if isinstance(kind, UnionType) or dataclasses.is_dataclass(kind):
            if not isinstance(value, dict):
                raise _wrong_type(dotted, value, "a table")
            return self.read(_variant(kind, value, dotted), value, f"{dotted}.")
        if get_origin(kind) is tuple:
            return self._convert_list(get_args(kind)[0], value, dotted, limits)
        if kind is float and type(value) is int and abs(value) <= 2**53:  # beyond, a float is another number
            value = float(value)
        if type(value) is not kind:  # not isinstance: true is no integer here
            raise _wrong_type(dotted, value, _KINDS[kind] + "".join(f" or {value_text(word)}" for word in words))
        _check_limits(dotted, value, limits)
        return value

    def _convert_list(self, kind: type, value: Any, dotted: str, limits: Mapping[str, Any]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong_type(dotted, value, f"a list, each entry {_KINDS[kind]}")
        if len(value) != limits.get("length", len(value)):
            raise ConfigError(f"{dotted} has {len(value)} entries, expected {limits['length']}")
        return tuple(self._convert(kind, entry, f"{dotted}[{index}]", limits) for index, entry in enumerate(value))

    def _unknown(self, dotted: str, kind: type, prefix: str) -> str:
        """The message for a key that does not exist: with the nearest in its table, else of all, else what there is."""
        here = {name: prefix + name for name in kind.__dataclass_fields__}
        everywhere = {name.rpartition(".")[2]: name for name in _all_keys(self._root, "")}
        if dotted in everywhere.values():  # a key of another variant of this table
            return f"unknown key {dotted}: it does not go with {prefix}name = {value_text(kind.name)}"
        for candidates in (here, everywhere):
            if near := difflib.get_close_matches(dotted.rpartition(".")[2], candidates, 1):
                return f"unknown key {dotted}, did you mean {candidates[near[0]]}?"
        return f"unknown key {dotted}, expected one of {', '.join(here.values())}"


def _check_limits(dotted: str, value: Any, limits: Mapping[str, Any]) -> None:
    comparisons = {
        "at_least": (lambda limit: value >= limit, "at least"),
        "at_most": (lambda limit: value <= limit, "at most"),
        "above": (lambda limit: value > limit, "more than"),
        "below": (lambda limit: value < limit, "less than"),
    }
    for name, (holds, words) in comparisons.items():
        if name in limits and not holds(limits[name]):
            raise ConfigError(f"{dotted} is {value_text(value)}, expected {words} {limits[name]}")
    if "choices" in limits and value not in limits["choices"]:
        expected = " or ".join(map(value_text, limits["choices"]))
        raise ConfigError(f"{dotted} is {value_text(value)}, expected {expected}")
    if value == float("inf"):
        raise ConfigError(f"{dotted} is inf, expected a finite number")


def _variant(kind: Any, table: dict[str, Any], dotted: str) -> type:
    """The class that a table's `name` chooses where there are several; without a name the first."""
    if not isinstance(kind, UnionType):
        return kind
    variants = {variant.name: variant for variant in get_args(kind)}
    name = table.get("name", next(iter(variants)))
    if not isinstance(name, str):
        raise _wrong_type(f"{dotted}.name", name, "a string")
    if name not in variants:
        raise ConfigError(f"{dotted}.name is {value_text(name)}, expected {' or '.join(map(value_text, variants))}")
    return variants[name]


def _all_keys(kind: type, prefix: str) -> Iterator[str]:
    for name, inner in get_type_hints(kind).items():
        yield prefix + name
        for variant in get_args(inner) if isinstance(inner, UnionType) else (inner,):
            if dataclasses.is_dataclass(variant):
                yield from _all_keys(variant, f"{prefix}{name}.")


def _wrong_type(dotted: str, value: Any, expected: str) -> ConfigError:
    came = _KINDS.get(type(value), "a date or time")
    return ConfigError(f"{dotted} is {value_text(value)} ({came}), expected {expected}")
