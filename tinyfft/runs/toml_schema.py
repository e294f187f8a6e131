"""Read TOML tables into frozen dataclasses. Every mistake raises a ConfigError that names the key.

    @dataclass(frozen=True)
    class Loss:
        label_smoothing: float = key(0.0, at_least=0, below=1)

A field has one of these types: bool, int, float, str, tuple[one of them, ...], another such class (a table), or a
union A | B of such classes: the table's `name` selects the class with that default name.
"""

import dataclasses
import difflib
import json
import operator
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "a list", dict: "a table"}
_COMPARISONS = {
    "at_least": (operator.ge, "at least"),
    "at_most": (operator.le, "at most"),
    "above": (operator.gt, "more than"),
    "below": (operator.lt, "less than"),
}


class ConfigError(ValueError):
    """An invalid configuration. The message names the key, its value and the expected value."""


def key(default: Any, **limits: Any) -> Any:
    """Return a dataclass field with a default value and limits.

    limits  at_least, at_most, above, below and choices apply to a value, or to each entry of a list; length is the
            length of a list
    """
    return dataclasses.field(default=default, metadata=limits)


def from_table(schema: type, table: dict[str, Any]) -> Any:
    """Return the table as an object of the class `schema`. Raises ConfigError for a wrong key, type or value."""
    return _read(schema, table, "", schema)


def to_toml(values: Any) -> str:
    """Return an object of a schema as TOML text with all its keys. Reading the text returns an equal object."""
    top = dataclasses.asdict(values)
    lines = [f"{name} = {toml_value(value)}" for name, value in top.items() if not isinstance(value, dict)]
    for name, table in top.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{inner} = {toml_value(value)}" for inner, value in table.items())]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return a value as TOML text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON allows a bare DEL, TOML does not
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {toml_value(entry)}' for name, entry in value.items())}}}"
    return str(value)


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a table and its inner tables by dotted key."""
    values = {}
    for name, value in table.items():
        values |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values


def _read(schema: type, table: dict[str, Any], prefix: str, root: type) -> Any:
    """`prefix` is the table's dotted name with a trailing dot, or "" for the outermost table, whose class is `root`."""
    types = get_type_hints(schema)
    values = {}
    for name, value in table.items():
        if name not in types:
            raise ConfigError(_unknown_key(prefix + name, schema, prefix, root))
        if variants := _schemas(types[name]):
            values[name] = _read(_select(variants, value, prefix + name), value, f"{prefix}{name}.", root)
        else:
            values[name] = _check(types[name], value, prefix + name, schema.__dataclass_fields__[name].metadata)
    return schema(**values)


def _schemas(kind: Any) -> list[type]:
    """Return the classes in a type: several for a union of tables, one for a table, none for a value."""
    return [each for each in (get_args(kind) or (kind,)) if dataclasses.is_dataclass(each)]


def _select(variants: list[type], table: Any, path: str) -> type:
    """Return the class selected by the table's `name`, or the first class for a table without a name."""
    if not isinstance(table, dict):
        raise _wrong_type(path, table, "a table")
    if len(variants) == 1:
        return variants[0]
    by_name = {variant.name: variant for variant in variants}
    name = table.get("name", variants[0].name)
    if not isinstance(name, str):
        raise _wrong_type(f"{path}.name", name, "a string")
    if name not in by_name:
        raise ConfigError(f"{path}.name is {toml_value(name)}, expected {' or '.join(map(toml_value, by_name))}")
    return by_name[name]


def _check(kind: Any, value: Any, path: str, limits: Mapping[str, Any]) -> Any:
    """Return the value converted to the type `kind`. Raises ConfigError if its type or a limit does not match."""
    if get_origin(kind) is tuple:
        return _check_list(get_args(kind)[0], value, path, limits)
    if kind is float and type(value) is int and abs(value) <= 2**53:  # a larger integer may change as a float
        value = float(value)
    if type(value) is not kind:  # not isinstance: true is an int in Python, but not in TOML
        raise _wrong_type(path, value, _TYPES[kind])
    for name, (holds, text) in _COMPARISONS.items():
        if name in limits and not holds(value, limits[name]):
            raise ConfigError(f"{path} is {toml_value(value)}, expected {text} {limits[name]}")
    if "choices" in limits and value not in limits["choices"]:
        raise ConfigError(f"{path} is {toml_value(value)}, expected {' or '.join(map(toml_value, limits['choices']))}")
    if value == float("inf"):
        raise ConfigError(f"{path} is inf, expected a finite number")
    return value


def _check_list(kind: type, value: Any, path: str, limits: Mapping[str, Any]) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong_type(path, value, f"a list, each entry {_TYPES[kind]}")
    if len(value) != limits.get("length", len(value)):
        raise ConfigError(f"{path} has {len(value)} entries, expected {limits['length']}")
    return tuple(_check(kind, entry, f"{path}[{index}]", limits) for index, entry in enumerate(value))


def _wrong_type(path: str, value: Any, expected: str) -> ConfigError:
    found = _TYPES.get(type(value), "a date or time")
    return ConfigError(f"{path} is {toml_value(value)} ({found}), expected {expected}")


def _unknown_key(path: str, schema: type, prefix: str, root: type) -> str:
    """Return the error message for an unknown key: it suggests a similar key of this table, then of any table."""
    here = {name: prefix + name for name in schema.__dataclass_fields__}
    everywhere = {name.rpartition(".")[2]: name for name in _all_keys(root)}
    if path in everywhere.values():  # a key of another class in the union
        return f"unknown key {path}: it does not go with {prefix}name = {toml_value(schema.name)}"
    for candidates in (here, everywhere):
        if similar := difflib.get_close_matches(path.rpartition(".")[2], candidates, 1):
            return f"unknown key {path}, did you mean {candidates[similar[0]]}?"
    return f"unknown key {path}, expected one of {', '.join(here.values())}"


def _all_keys(schema: type, prefix: str = "") -> Iterator[str]:
    for name, kind in get_type_hints(schema).items():
        yield prefix + name
        for inner in _schemas(kind):
            yield from _all_keys(inner, f"{prefix}{name}.")
