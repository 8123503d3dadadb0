"""Checking a configuration before anything runs: first its files, then its keys and their ranges.

What depends on two keys is checked by `veracity.planning.consistency`.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from ..errors import ConfigError, hint, plain, quoted, shortened

MAX_BYTES = 2**18  # of a file
MAX_VALUES = 10_000  # of a configuration, those of repeated parts counted each time, long texts as one for each 64 letters
MAX_DEPTH = 20
TOO_LARGE = f"holds more than {MAX_VALUES} values or {MAX_DEPTH} levels: make its lists and texts shorter"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Read a file of a configuration, YAML or JSON.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    ConfigError
        When the file is missing, no UTF-8, no YAML, holds no keys, holds a key twice, or grows beyond measure where its parts
        are repeated. Names the file and, where there is one, the line.
    """
    text = _text_of(path)
    try:
        return _checked(json.loads(text, object_pairs_hook=_once), path)  # as Snakemake does: JSON first
    except _TwiceError as error:
        raise ConfigError(f"{path} holds the key {quoted(error.args[0])} twice: leave one") from None
    except (ValueError, RecursionError):
        pass
    try:
        _refuse_size(yaml.parse(text, Loader=_Loader), path)
        node = yaml.compose(text, Loader=_Loader)
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path} holds no keys: write lines such as seed: 0")
        _refuse_nodes(node, path)
        return _checked(yaml.load(text, Loader=_Loader), path)  # noqa: S506 - a safe loader in either case
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML{_place_of(error)}: mend it") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{path} holds a value that cannot be read ({shortened(str(error))}): mend or remove it") from None


def check_files(paths: Iterable[str | os.PathLike]) -> None:
    """Read each file of a configuration, and refuse those that cannot be read or hold a key twice; see `read`."""
    for path in paths:
        read(path)


def check(config: Mapping[str, Any], schema: str | os.PathLike, *, within: str = "") -> None:
    """Check a configuration against a schema.

    Parameters
    ----------
    config : mapping
    schema : path-like
        A JSON schema in YAML.
    within : str
        Path that stands before each key in messages, as variants.eps_small.

    Raises
    ------
    ConfigError
        Names the first offending key with its path, what is wrong, and for an unknown key the nearest known one.
    """
    if _too_many(config):
        raise ConfigError(f"the configuration {TOO_LARGE}")
    validator = _Validator(yaml.load(Path(schema).read_text(encoding="utf-8"), Loader=_Loader))  # noqa: S506 - safe
    errors = sorted(validator.iter_errors(dict(config)), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise ConfigError(_sentence(errors[0], within))


class _TwiceError(Exception):
    """A key stands twice in an object of JSON."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise _TwiceError(key)
        seen[key] = value
    return seen


def _text_of(path: str | os.PathLike) -> str:
    try:
        if not Path(path).is_file():
            raise ConfigError(f"{path} is no configuration file: name an ordinary file that is there")
        if Path(path).stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES // 1024} KiB: name a configuration, as config/config.yaml is")
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no text in UTF-8: save it as such") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): mend that or name another file") from None


def _checked(content: Any, path: str | os.PathLike) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no keys: write lines such as seed: 0")
    if _too_many(content):
        raise _too_large(path)
    return content


def _too_large(path: str | os.PathLike) -> ConfigError:
    return ConfigError(f"{path} {TOO_LARGE}")


def _refuse_size(events: Iterator[Any], path: str | os.PathLike) -> None:
    """Refuse a file whose nesting is too deep to be followed; its aliases are not followed yet."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _too_large(path)


def _refuse_nodes(root: yaml.Node, path: str | os.PathLike) -> None:
    """Refuse keys that stand twice or are no words, and parts that are repeated beyond measure or hold themselves."""
    waiting, n_values = [(root, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        n_values += 1 + (len(node.value) // 64 if isinstance(node, yaml.ScalarNode) else 0)
        if n_values > MAX_VALUES or depth > MAX_DEPTH:
            raise _too_large(path)
        if isinstance(node, yaml.SequenceNode):
            waiting += [(child, depth + 1) for child in node.value]
        elif isinstance(node, yaml.MappingNode):
            seen = set[str]()
            for key, value in node.value:
                line = f"line {key.start_mark.line + 1} of {path}"
                if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                    shown = shortened(key.value) if isinstance(key, yaml.ScalarNode) else "[...]"
                    raise ConfigError(f"{line} has the key {shown}, which YAML takes for {_kind_of(key)}: keys are words")
                if key.value in seen and key.tag.endswith(":str"):
                    raise ConfigError(f"{line} holds the key {quoted(key.value)} a second time: leave one")
                seen.add(key.value)
                waiting.append((value, depth + 1))


def _kind_of(key: yaml.Node) -> str:
    kinds = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"}
    return kinds.get(key.tag.rpartition(":")[2], "no word")


def _place_of(error: yaml.YAMLError) -> str:
    """Return the line, and what is wrong there in the parser's words, as far as they are known."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    line = f" in line {mark.line + 1}" if mark else ""
    return f"{line} ({shortened(problem)})" if problem else line


def _too_many(config: Any) -> bool:
    """Tell whether a configuration holds more than it can, without following it to its end: aliases may repeat parts."""
    waiting, n_values = [(config, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        n_values += 1 + (len(part) // 64 if isinstance(part, str | bytes) else 0)
        if n_values > MAX_VALUES or depth > MAX_DEPTH or (isinstance(part, int) and part.bit_length() > 4096):
            return True
        if isinstance(part, Mapping | list | tuple | set):
            waiting += [(child, depth + 1) for child in part]
        if isinstance(part, Mapping):
            waiting += [(child, depth + 1) for child in part.values()]
    return False


def _whole_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """Match the whole text: in Python, ``$`` is also before a newline at the end."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"give {schema.get('description', 'another text')}")


# Stricter than JSON Schema, which takes 8192.0 for an integer (Python's range does not) and .nan for a number above 0.
_Validator = extend(
    Draft202012Validator,
    validators={"pattern": _whole_pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        }
    ),
)
_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys of its own",
    "null": "null",
}


def _sentence(error: ValidationError, within: str) -> str:
    path = [*filter(None, within.split(".")), *(str(part) for part in error.absolute_path)]
    meaning = "see config/config.yaml for what it means"
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(key for key in error.instance if key not in known)
        near = hint(unknown, known).strip(" ()")
        cure = near or f"known keys are {', '.join(known)}"
        return f"configuration key {quoted('.'.join([*path, shortened(unknown)]))} is unknown: {cure}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"configuration key {'.'.join([*path, missing])!r} is missing: {meaning}"
    return f"configuration key {'.'.join(path)!r} is wrong: {_complaint(error)}; {meaning}"


def _complaint(error: ValidationError) -> str:
    """Say what is wrong with a value, and what it may be, in words for people."""
    value, bound = error.instance, error.validator_value
    shown = quoted(value)
    if error.validator == "type":
        return _of_wrong_type(value, [bound] if isinstance(bound, str) else bound)
    if error.validator == "enum":
        *others, last = bound
        return f"{shown} is unknown, choose {', '.join(others)} or {last}{hint(value, bound)}"
    words = {
        "minimum": lambda: f"{shown} is too small, the least is {plain(bound)}",
        "maximum": lambda: f"{shown} is too large, the most is {plain(bound)}",
        "exclusiveMinimum": lambda: f"{shown} is too small, give more than {plain(bound)}",
        "exclusiveMaximum": lambda: f"{shown} is too large, give less than {plain(bound)}",
        "minItems": lambda: f"{shown} is too short, give {bound} or more values",
        "maxItems": lambda: f"{shown} is too long, give at most {bound} values",
        "minLength": lambda: "it is empty, write null or a text",
        "maxLength": lambda: f"{shown} is too long, give at most {bound} letters",
        "uniqueItems": lambda: f"{shown} holds a value twice, leave one",
        "pattern": lambda: f"{shown} is not possible, {error.message}",
    }
    return words.get(str(error.validator), lambda: shortened(error.message, 200))()


def _of_wrong_type(value: Any, wanted: list[str]) -> str:
    asked = " or ".join(_TYPES[name] for name in wanted)
    if isinstance(value, str) and {"integer", "number"} & set(wanted) and (number := _number_in(value)) is not None:
        if re.fullmatch(r"[-+]?([0-9]+|[0-9]*\.[0-9]*)", value):
            return f"{quoted(value)} is text, write {value} without quotation marks"
        return f"YAML reads {shortened(value)} as text, write {plain(number)}"
    if isinstance(value, float) and math.isfinite(value) and "integer" in wanted and value.is_integer():
        return f"{value} is no whole number, write {shortened(int(value))}"
    quotes = ", put it in quotation marks" if "string" in wanted and not isinstance(value, list | dict) else ""
    return f"{quoted(value)} is not {asked}{quotes}"


def _number_in(text: str) -> float | None:
    """Return the number that a text stands for where YAML sees none, as in 1e-7."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
