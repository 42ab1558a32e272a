"""Checks requests and documents against extracts of Twilio's own descriptions.

`spec/calls.json` and `spec/account.json` are taken from Twilio's OpenAPI file, `spec/twiml.json`
lists the elements and attributes that its official SDK emits; each names its source.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal
from urllib.parse import urlsplit

import msgspec

CALLS = "/2010-04-01/Accounts/{AccountSid}/Calls.json"
CALL = "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json"
ACCOUNT = "/2010-04-01/Accounts/{Sid}.json"
NUMBERS = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json"
NUMBER = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json"
_EXTRACTS = ("calls", "account")
_FORM = "application/x-www-form-urlencoded"


class Schema(msgspec.Struct):
    """The part of JSON Schema that the extract uses."""

    ref: str = msgspec.field(default="", name="$ref")
    type: str = "string"
    format: str = ""
    pattern: str = ""
    enum: list[str] = []
    items: "Schema | None" = None
    minimum: int | None = None
    maximum: int | None = None
    nullable: bool = False
    properties: dict[str, "Schema"] = {}
    required: list[str] = []


class _Parameter(msgspec.Struct):
    name: str
    place: str = msgspec.field(name="in")
    schema: Schema


class _Content(msgspec.Struct):
    schema: Schema


class _Body(msgspec.Struct):
    content: dict[str, _Content]


class _Operation(msgspec.Struct):
    parameters: list[_Parameter] = []
    body: _Body | None = msgspec.field(default=None, name="requestBody")


class _Components(msgspec.Struct):
    schemas: dict[str, Schema]


class _OpenApi(msgspec.Struct):
    paths: dict[str, dict[str, _Operation]]
    components: _Components


class Element(msgspec.Struct):
    """A TwiML element: its attributes, whether it has text, its children."""

    attributes: list[str]
    text: bool
    children: list[str]


class _Markup(msgspec.Struct):
    twiml: dict[str, Element]


def _data(name: str) -> bytes:
    return (files(__name__.rpartition(".")[0]) / "spec" / name).read_bytes()


@cache
def _api() -> _OpenApi:
    extracts = [msgspec.json.decode(_data(f"{name}.json"), type=_OpenApi) for name in _EXTRACTS]
    paths = {path: each for file in extracts for path, each in file.paths.items()}
    schemas = {name: each for file in extracts for name, each in file.components.schemas.items()}
    return _OpenApi(paths, _Components(schemas))


@cache
def twiml_elements() -> Mapping[str, Element]:
    return msgspec.json.decode(_data("twiml.json"), type=_Markup).twiml


def check_fields(
    path: str, method: Literal["get", "post"], fields: Iterable[tuple[str, str]]
) -> list[str]:
    """What is wrong with the query (get) or the form (post) of a request; empty if nothing."""
    operation = _api().paths[path][method]
    if operation.body is None:
        known = {p.name: p.schema for p in operation.parameters if p.place == "query"}
        required: list[str] = []
    else:
        schema = operation.body.content[_FORM].schema
        known, required = schema.properties, schema.required
    wrong: list[str] = []
    seen: set[str] = set()
    for name, value in fields:
        if name not in known:
            wrong.append(f"{name}: no such field")
            continue
        field = _resolve(known[name])
        if name in seen and field.type != "array":
            wrong.append(f"{name}: given twice")
        seen.add(name)
        if problem := _problem(field, value):
            wrong.append(f"{name}: {problem}")
    return wrong + [f"{name}: required" for name in required if name not in seen]


def check_call_object(call: Mapping[str, object]) -> list[str]:
    """What is wrong with our own answer, a call as JSON; empty if nothing."""
    return check_object("api.v2010.account.call", call)


def check_object(schema: str, answer: Mapping[str, object]) -> list[str]:
    """Likewise for an answer of any schema."""
    known = _api().components.schemas[schema].properties
    wrong = [f"{name}: missing" for name in known.keys() - answer.keys()]
    for name, value in answer.items():
        if name not in known:
            wrong.append(f"{name}: no such field")
        elif value is None:
            if not known[name].nullable:
                wrong.append(f"{name}: null")
        elif isinstance(value, str) and (problem := _problem(_resolve(known[name]), value)):
            wrong.append(f"{name}: {problem}")
    return wrong


def _resolve(schema: Schema) -> Schema:
    if schema.ref:
        return _api().components.schemas[schema.ref.rpartition("/")[2]]
    return schema


def _problem(schema: Schema, value: str) -> str:
    if schema.type == "array" and schema.items is not None:
        return _problem(_resolve(schema.items), value)
    if schema.enum and value not in schema.enum:
        return f"{value!r} is none of {', '.join(schema.enum)}"
    if schema.pattern and not re.search(schema.pattern, value):
        return f"{value!r} does not match {schema.pattern}"
    if schema.type == "boolean" and value not in {"true", "false"}:
        return f"{value!r} is neither true nor false"
    if schema.type == "integer":
        return _integer_problem(schema, value)
    if schema.format == "uri" and value and not is_web_url(value):
        return f"{value!r} is not an absolute http(s) URL"
    return ""


def _integer_problem(schema: Schema, value: str) -> str:
    if not re.fullmatch(r"-?\d+", value):
        return f"{value!r} is not an integer"
    if schema.minimum is not None and int(value) < schema.minimum:
        return f"{value} is less than {schema.minimum}"
    if schema.maximum is not None and int(value) > schema.maximum:
        return f"{value} is more than {schema.maximum}"
    return ""


def is_web_url(url: str) -> bool:
    """Whether this is an absolute http(s) URL that Twilio would call."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
