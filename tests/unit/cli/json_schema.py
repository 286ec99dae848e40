"""The part of JSON Schema that docs/json uses, checked without a library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

SCHEMAS = Path(__file__).parents[3] / "docs" / "json"
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "type", "properties", "required",
    "additionalProperties", "items", "minItems", "enum", "const", "anyOf",
}  # fmt: skip


def check(document: object) -> None:
    """Assert that a `--json` output is of the schema it names."""
    assert isinstance(document, dict)
    name = document["schema"]
    assert next(iter(document)) == "schema"
    schema = json.loads((SCHEMAS / (name.split("/", 1)[1].replace("/", "-") + ".json")).read_text())
    problems = list(_problems(document, schema, schema, "$"))
    assert not problems, problems


def _problems(value: object, schema: Schema, whole: Schema, where: str) -> Iterator[str]:
    assert set(schema) <= _KNOWN, f"{where}: this checker does not know {set(schema) - _KNOWN}"
    if "$ref" in schema:
        target = whole["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        yield from _problems(value, target, whole, where)
    if "anyOf" in schema:
        found = [list(_problems(value, option, whole, where)) for option in schema["anyOf"]]
        if all(found):
            yield f"{where}: {value!r} is of no kind allowed: {found}"
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "type" in schema and not _is_of(value, schema["type"]):
        yield f"{where}: {value!r} is no {schema['type']}"
        return
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}.{name} is missing"
        for name, inner in value.items():
            if name in properties:
                yield from _problems(inner, properties[name], whole, f"{where}.{name}")
            elif schema.get("additionalProperties") is False:
                yield f"{where}.{name} is not in the schema"
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        yield f"{where}: holds only {len(value)}"
    if isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(value):
            yield from _problems(inner, schema["items"], whole, f"{where}[{index}]")


def _is_of(value: object, kinds: str | list[str]) -> bool:
    names = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)
