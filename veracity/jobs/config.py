"""Checking a configuration before anything runs."""

import difflib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from ..errors import ConfigError

# Stricter than JSON Schema, which takes 8192.0 for an integer (Python's range does not) and .nan for a number above 0.
_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        }
    ),
)


def check(config: Mapping[str, Any], schema: str | os.PathLike) -> None:
    """Check a configuration against a schema.

    Parameters
    ----------
    config : mapping
    schema : path-like
        A JSON schema in YAML.

    Raises
    ------
    ConfigError
        Names the first offending key with its path, what is wrong, and for an unknown key the nearest known one.
    """
    validator = _Validator(yaml.safe_load(Path(schema).read_text(encoding="utf-8")))
    errors = sorted(validator.iter_errors(dict(config)), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise ConfigError(_sentence(errors[0]))


def _sentence(error: ValidationError) -> str:
    path = [str(part) for part in error.absolute_path]
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(key for key in error.instance if key not in known)
        near = difflib.get_close_matches(unknown, known, n=1)
        cure = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
        return f"configuration key {'.'.join([*path, unknown])!r} is unknown: {cure}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"configuration key {'.'.join([*path, missing])!r} is missing: see config/config.yaml for what it means"
    return f"configuration key {'.'.join(path)!r} is wrong: {error.message}; see config/config.yaml for what it means"
