"""Settings: frozen dataclasses that reject invalid values with a one-line message, in notebooks and configurations.

Each range is defined once, in the annotation of its field. `veracity.workflow.configuration` nests these classes. A
configuration file, its JSON schema and its reference page therefore have the same ranges. The module requires neither torch nor
NumPy.
"""

import copy
import dataclasses
import functools
import inspect
import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, dataclass_transform

import pydantic
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from .errors import ConfigError, hint, plain, quoted, shortened

T = TypeVar("T")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with changes; mappings are merged, and other values are replaced."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if nested else value
    return result


def between(low: float, high: float) -> Any:
    """Return the annotation of a number from `low` to `high`, which rejects text, booleans and NaN."""
    return Field(strict=True, ge=low, le=high)


def about(text: str) -> Any:
    """Return the annotation with the description of a key."""
    return Field(description=text)


def matching(pattern: str, words: str, **limits: Any) -> Any:
    """Return the annotation of a text that must match a pattern.

    Parameters
    ----------
    pattern : str
        Regular expression for the whole text.
    words : str
        Description of accepted texts for error messages and documentation.
    **limits
        Further arguments of `pydantic.Field`, such as ``max_length``.

    Returns
    -------
    FieldInfo
        The annotation.
    """
    return Field(strict=True, pattern=f"^(?:{pattern})$", json_schema_extra={"accepted": words}, **limits)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("twice", "repeated value")
    return values


#: List without repeated values, which may be empty (Distinct) or has at least one value (Several).
Distinct = Annotated[tuple[T, ...], Field(json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)]
Several = Annotated[tuple[T, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)]


@dataclass_transform(frozen_default=True, field_specifiers=(Field, dataclasses.field))
def settings(key: str) -> Callable[[type[T]], type[T]]:
    """Return a class decorator for frozen dataclasses whose values are validated by the annotations of their fields.

    Parameters
    ----------
    key : str
        Configuration key of the settings, for error messages.

    Returns
    -------
    callable
        Decorator. Instances of the class raise `ConfigError` for invalid values. The section "Attributes" of the docstring
        provides the descriptions of the fields in the JSON schema.
    """

    def decorate(cls: type[T]) -> type[T]:
        texts = {name: text for parent in reversed(cls.__mro__) for name, text in _attributes(parent.__doc__).items()}
        for name in texts.keys() & cls.__annotations__.keys():
            cls.__annotations__[name] = Annotated[cls.__annotations__[name], Field(description=texts[name])]
        about: Any = {"description": (cls.__doc__ or "").partition("\n")[0]}
        config = ConfigDict(extra="forbid", allow_inf_nan=False, json_schema_extra=about)
        made: Any = pydantic.dataclasses.dataclass(frozen=True, config=config)(cls)
        made.__init__ = _refusing(made, key)
        return made

    return decorate


def _refusing(cls: Any, key: str) -> Callable[..., None]:
    """Return an ``__init__`` that raises ConfigError for invalid values and converts NumPy scalars to Python numbers."""
    init = cls.__init__

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        names = [field.name for field in dataclasses.fields(cls)]
        if len(args) > len(names):
            raise TypeError(f"{cls.__name__} takes at most {len(names)} arguments, got {len(args)}")
        given = {name: _as_python(value) for name, value in ({**dict(zip(names, args, strict=False)), **kwargs}).items()}
        try:
            init(self, **given)
        except ValidationError as error:
            raise ConfigError(sentence(error, cls, given, key)) from None

    return checked


def _as_python(value: Any) -> Any:
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    if hasattr(value, "__float__") and not isinstance(value, numbers.Real):
        return repr(value)  # pydantic would convert a tensor to a number
    return value


def _attributes(doc: str | None) -> dict[str, str]:
    """Return the descriptions in the section "Attributes" of a numpydoc docstring."""
    listed = inspect.cleandoc(doc or "").partition("\nAttributes\n")[2]
    parts = re.findall(r"^([\w, ]+) : .*\n((?:    .*(?:\n|$))+)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for names, text in parts for name in names.split(", ")}


# --- Error messages


def sentence(error: ValidationError, cls: Any, given: Mapping[str, Any], key: str = "") -> str:
    """Return the first validation error as ``<key>: <problem>, got <value>. <Cure>.``.

    Parameters
    ----------
    error : ValidationError
        Errors of pydantic.
    cls : type
        Settings class.
    given : mapping
        Values passed to the class.
    key : str
        Configuration key of the settings; empty, the default, for a whole configuration.

    Returns
    -------
    str
        Error message.
    """
    first = error.errors(include_url=False)[0]
    kind, value, schema = first["type"], first["input"], _schema_of(cls)
    unknown = kind in ("unexpected_keyword_argument", "invalid_key")
    path = [key] if key else []
    nodes: list[Mapping[str, Any]] = [schema]
    inside: Any = given
    for part in first["loc"][:-1] if unknown else first["loc"]:
        if part in inside if isinstance(inside, Mapping) else isinstance(inside, list | tuple) and part in range(len(inside)):
            inside = inside[part]
        elif kind != "missing":  # further items of `loc` are branches of union types
            break
        elif isinstance(part, int):  # a list of fixed length
            kind = "too_short"
            break
        path.append(shortened(str(part)))
        nodes.append(child(schema, nodes[-1], part))
    if unknown:
        name, keys = str(first["loc"][-1]), list(resolved(schema, nodes[-1])["properties"])
        near = hint(name, keys).strip(" ()")
        cure = near[:1].upper() + near[1:] if near else f"Choose from {', '.join(keys)}."
        return f"{'.'.join([*path, shortened(name)])}: unknown key. {cure}"
    named, node = ".".join(path), nodes[-2 if first["loc"][-1:] == ("[key]",) else -1]
    if kind == "missing":
        return f"{named}: missing. Give {accepted(schema, node)}."
    return f"{named}: {_problem(kind)}, got {quoted(value)}. {_cure(value, schema, node, in_file=not key)}."


@functools.cache
def _schema_of(cls: Any) -> dict[str, Any]:
    return TypeAdapter(cls).json_schema()


def _problem(kind: str) -> str:
    problems = {
        "literal_error": "unknown value",
        "finite_number": "not a finite number",
        "string_pattern_mismatch": "invalid value",
        "string_too_short": "empty",
        "too_short": "too few values",
        "twice": "repeated value",
    }
    if kind.startswith(("less_", "greater_")):
        return "out of range"
    return problems.get(kind, "too long" if kind.endswith("too_long") else "wrong type")


def _cure(value: Any, schema: Mapping[str, Any], node: Mapping[str, Any], *, in_file: bool) -> str:
    """Return the correction. Common errors are numbers that YAML or the command line reads as text."""
    types = set(_types(schema, node))
    if isinstance(value, str) and (written := _as_yaml(value, types)):
        if written != value.strip():
            return f"Write {written}, because YAML reads {shortened(value)} as text"
        note = ", and use --configfile with a file, because values in braces after --config are text" if in_file else ""
        return f"Write {written} without quotation marks{note}"
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return f"Write {shortened(int(value))}"
    words = _words(schema, node)
    if types == {"string"} and not words and isinstance(value, int | float):
        return f"Put {shortened(value)} in quotation marks, or give {accepted(schema, node)}"
    return f"Give {accepted(schema, node)}{hint(value, words)}"


def _as_yaml(text: str, types: set[str]) -> str:
    """Return a text as a YAML number, boolean or null; empty if it does not represent one of `types`."""
    if text in ("true", "false", "null"):
        return text if {"null": "null"}.get(text, "boolean") in types else ""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not types & {"number", "integer"} or not math.isfinite(number):
        return ""
    return text.strip() if re.fullmatch(r"\s*[-+]?([0-9]+|[0-9]*\.[0-9]*)\s*", text) else plain(number)


# --- Descriptions from the JSON schema


def resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node of the JSON schema merged with the definition to which it refers."""
    if "$ref" in node:
        return {**schema["$defs"][node["$ref"].rpartition("/")[2]], **{key: node[key] for key in node if key != "$ref"}}
    return node


def child(schema: Mapping[str, Any], node: Mapping[str, Any], part: str | int) -> Mapping[str, Any]:
    """Return the node of a key of a mapping or of an index of a list; empty if there is none.

    Parameters
    ----------
    schema : mapping
        Whole JSON schema.
    node : mapping
        Node of the mapping or list.
    part : str or int
        Key or index.

    Returns
    -------
    mapping
        Node of the value.
    """
    node = resolved(schema, node)
    if isinstance(part, int):
        fixed = node.get("prefixItems", [])
        return fixed[part] if part < len(fixed) else node.get("items", {})
    rest = node.get("additionalProperties") or {}
    return node.get("properties", {}).get(part, rest)


def accepted(schema: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Return a description of the accepted values of a node, as the object of "Give"."""
    node = resolved(schema, node)
    if "accepted" in node:
        return node["accepted"]
    if "anyOf" in node:
        return _or([accepted(schema, alternative) for alternative in node["anyOf"]])
    if words := _words(schema, node):
        return _or(words)
    kind = node.get("type")
    if kind in ("integer", "number"):
        most = "to" if "minimum" in node else "and at most"
        least = "from" if "maximum" in node or "exclusiveMaximum" in node else "of at least"
        bounds = {"minimum": least, "exclusiveMinimum": "above", "maximum": most, "exclusiveMaximum": "and below"}
        limits = [f"{word} {plain(node[bound])}" for bound, word in bounds.items() if bound in node]
        return " ".join(["a whole number" if kind == "integer" else "a number", *limits])
    if kind == "array":
        if "prefixItems" in node:
            return f"a list of {len(node['prefixItems'])} values, each {accepted(schema, node['prefixItems'][0])}"
        amount = "one or more " if node.get("minItems") == 1 else ""
        different = "distinct " if node.get("uniqueItems") else ""
        return f"a list of {amount}{different}values, each {accepted(schema, node.get('items', {}))}"
    if kind == "object":
        keys = node.get("properties", {})
        return f"a mapping with the keys {', '.join(keys)}" if keys else "a mapping of names to values"
    limit = f" of at most {node['maxLength']} characters" if "maxLength" in node else ""
    return {"boolean": "true or false", "null": "null", "string": f"text{limit}"}.get(str(kind), "another value")


def _words(schema: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    """Return the allowed words of a choice."""
    schemas = [resolved(schema, each) for each in resolved(schema, node).get("anyOf", [resolved(schema, node)])]
    return [word for each in schemas for word in (*each.get("enum", ()), *([each["const"]] if "const" in each else ()))]


def _types(schema: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    node = resolved(schema, node)
    return [kind for part in node["anyOf"] for kind in _types(schema, part)] if "anyOf" in node else [str(node.get("type"))]


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
