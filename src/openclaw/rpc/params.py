"""Parameters of a method, read into a typed struct, with every problem named.

The struct is the only description of the parameters. Its problems are reported all at once in the
original's words, which scripts and people know:

    invalid logs.tail params: at /limit: must be >= 1; at root: unexpected property 'x'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar, cast

import msgspec

from openclaw.errors import RpcError

T = TypeVar("T")

_TYPE_OF_JSON = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def read_params(shape: type[T], params: object, method: str) -> T:
    """`params` as a `shape` (a msgspec struct). Raises RpcError INVALID_REQUEST."""
    try:
        return msgspec.convert({} if params is None else params, shape)
    except msgspec.ValidationError as exc:
        found = problems(shape, {} if params is None else params) or [str(exc)]
        raise RpcError("INVALID_REQUEST", f"invalid {method} params: {'; '.join(found)}") from None


def problems(shape: type, value: object) -> list[str]:
    """What is wrong with `value`, in the order: missing, wrong inside, unexpected."""
    schema, definitions = _schema_of(shape)
    return list(dict.fromkeys(_check(value, schema, definitions, "")))


Schema = Mapping[str, object]


@lru_cache(maxsize=64)
def _schema_of(shape: type) -> tuple[Schema, Mapping[str, Schema]]:
    (root,), definitions = msgspec.json.schema_components([shape], schema_hook=_any_value)
    return root, cast("Mapping[str, Schema]", definitions)


def _any_value(_: type) -> dict[str, object]:
    """The schema of `object`. (An empty one would not be taken for an answer.)"""
    return {"description": "any JSON value"}


def _check(
    value: object, schema: Schema, definitions: Mapping[str, Schema], path: str
) -> list[str]:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return _check(value, definitions[name], definitions, path)
    if "anyOf" in schema:
        branches = cast("Sequence[Schema]", schema["anyOf"])
        # An optional value that is there is judged as that value, not as a failed null.
        meant = [branch for branch in branches if value is None or branch.get("type") != "null"]
        return min((_check(value, branch, definitions, path) for branch in meant), key=len)
    if "enum" in schema:
        allowed = cast("Sequence[object]", schema["enum"])
        return [] if value in allowed else [_at(path, "must be equal to one of the allowed values")]
    expected = schema.get("type")
    if isinstance(expected, str) and not _is(value, expected):
        return [_at(path, f"must be {expected}")]
    if isinstance(value, dict):
        return _check_object(cast("dict[str, object]", value), schema, definitions, path)
    if isinstance(value, list):
        items = cast("Schema", schema.get("items", {}))
        found: list[str] = []
        for index, item in enumerate(cast("list[object]", value)):
            found += _check(item, items, definitions, f"{path}/{index}")
        return found
    return _check_bounds(value, schema, path)


def _check_object(
    value: dict[str, object], schema: Schema, definitions: Mapping[str, Schema], path: str
) -> list[str]:
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    required = cast("Sequence[str]", schema.get("required", ()))
    found = [
        _at(path, f"must have required property '{name}'") for name in required if name not in value
    ]
    for name, inner in properties.items():
        if name in value:
            found += _check(value[name], inner, definitions, f"{path}/{name}")
    if schema.get("additionalProperties") is False:
        where = f"at {path}" if path else "at root"
        found += [
            f"{where}: unexpected property '{name}'" for name in value if name not in properties
        ]
    return found


def _check_bounds(value: object, schema: Schema, path: str) -> list[str]:
    if isinstance(value, str):
        least = schema.get("minLength")
        if isinstance(least, int) and len(value) < least:
            return [_at(path, f"must NOT have fewer than {least} characters")]
        most = schema.get("maxLength")
        if isinstance(most, int) and len(value) > most:
            return [_at(path, f"must NOT have more than {most} characters")]
    elif isinstance(value, int | float):
        low, high = schema.get("minimum"), schema.get("maximum")
        if isinstance(low, int | float) and value < low:
            return [_at(path, f"must be >= {low}")]
        if isinstance(high, int | float) and value > high:
            return [_at(path, f"must be <= {high}")]
    return []


def _is(value: object, expected: str) -> bool:
    if isinstance(value, bool):
        return expected == "boolean"
    return isinstance(value, _TYPE_OF_JSON[expected])


def _at(path: str, problem: str) -> str:
    return f"at {path}: {problem}" if path else problem
