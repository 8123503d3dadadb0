"""Write the reference of all keys, docs/configuration.md, and the JSON schema for editors: python docs/configuration.py."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from veracity.errors import plain
from veracity.settings import accepted, resolved
from veracity.workflow.configuration import MODEL, defaults

ROOT = Path(__file__).resolve().parents[1]
PAGE, SCHEMA = ROOT / "docs" / "configuration.md", ROOT / "workflow" / "schemas" / "config.schema.json"
INTRODUCTION = """# Configuration keys

Written by `docs/configuration.py` from the model of the configuration, `veracity.workflow.configuration`. `config/config.yaml`
holds all keys with their defaults; a file for `--configfile` needs only those that differ. Unknown keys and values outside the
accepted ones are refused before the first job. `workflow/schemas/config.schema.json` is the same as a JSON schema, for editors.
"""


def schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_titles(MODEL.json_schema())}


def _without_titles(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _without_titles(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    return [_without_titles(one) for one in node] if isinstance(node, list) else node


def _as_yaml(value: Any) -> str:
    return plain(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _sections(whole: Mapping[str, Any], node: Mapping[str, Any], values: Any, path: str = "") -> Iterator[str]:
    """Yield the table of a group of keys, then those of the groups in it."""
    keys = {key: resolved(whole, one) for key, one in resolved(whole, node)["properties"].items()}
    groups = [key for key, one in keys.items() if "properties" in one]
    rows = [
        f"| `{path}{key}` | `{_as_yaml(values[key])}` | {accepted(whole, one)} | {one['description']} |"
        for key, one in keys.items()
        if key not in groups
    ]
    title = path.rstrip(".") or "The run"
    about = "" if not path else f"{resolved(whole, node)['description']}\n\n"
    if rows:
        yield (
            f"## {title}\n\n{about}" + "\n".join(["| key | default | accepted | meaning |", "|---|---|---|---|", *rows]) + "\n"
        )
    for key in groups:
        yield from _sections(whole, keys[key], values[key], f"{path}{key}.")


def page() -> str:
    """Return docs/configuration.md."""
    whole = MODEL.json_schema()
    return "\n".join([INTRODUCTION, *_sections(whole, whole, defaults())])


def schema_text() -> str:
    """Return workflow/schemas/config.schema.json."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
