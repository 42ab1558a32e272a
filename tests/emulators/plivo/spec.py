"""Checks requests and documents against descriptions of Plivo's API and XML.

`spec/calls.json` and `spec/account.json` hold a JSON Schema for the body or the query of each
request, `spec/elements.json` the elements and attributes of documents; each names its source.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec
from jsonschema import Draft202012Validator

CALLS = "/Call/"
CALL = "/Call/{call_uuid}/"
REQUEST = "/Request/{request_uuid}/"
ACCOUNT = "/"
NUMBER = "/Number/{number}/"
APPLICATIONS = "/Application/"
APPLICATION = "/Application/{app_id}/"
_EXTRACTS = ("calls", "account")


class _Error(Protocol):
    path: Sequence[object]
    message: str


class _Validator(Protocol):
    """The part of jsonschema that is used; its own types know no `object`."""

    def iter_errors(self, instance: object) -> Iterable[_Error]: ...


class _Operation(msgspec.Struct):
    request: dict[str, object] | None = None
    query: dict[str, object] | None = None


class _Api(msgspec.Struct):
    paths: dict[str, _Operation]


class Element(msgspec.Struct):
    """An element: its attributes, whether it has text, its children."""

    attributes: list[str]
    text: bool
    children: list[str]


class _Markup(msgspec.Struct):
    elements: dict[str, Element]


def _data(name: str) -> bytes:
    return (files(__name__.rpartition(".")[0]) / "spec" / name).read_bytes()


@cache
def _api() -> _Api:
    whole = _Api({})
    for name in _EXTRACTS:
        whole.paths.update(msgspec.json.decode(_data(f"{name}.json"), type=_Api).paths)
    return whole


@cache
def elements() -> Mapping[str, Element]:
    return msgspec.json.decode(_data("elements.json"), type=_Markup).elements


def check_body(method: str, path: str, body: Mapping[str, object] | None) -> list[str]:
    """What is wrong with the JSON body of a request (None: it has none)."""
    return _problems(_api().paths[f"{method} {path}"].request, body)


def check_query(method: str, path: str, query: Mapping[str, str]) -> list[str]:
    """What is wrong with the query of a request."""
    # A query knows only text; what reads as a number is judged as one.
    typed = {name: int(text) if text.isdecimal() else text for name, text in query.items()}
    return _problems(_api().paths[f"{method} {path}"].query, typed)


def _problems(schema: dict[str, object] | None, found: Mapping[str, object] | None) -> list[str]:
    if schema is None:
        return [] if not found else [f"unexpected: {found!r}"]
    validator = cast("_Validator", Draft202012Validator(schema))
    errors = validator.iter_errors(dict(found or {}))
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in errors]


def is_web_url(url: str) -> bool:
    """Whether this is an absolute http(s) URL that Plivo would call."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
