"""Checks requests, answers and events against extracts of Telnyx's own OpenAPI description.

`spec/call_control.json` and `spec/account.json` name their source. The listing of active calls is
on Telnyx's page "List all active calls for given connection" and in neither of them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, cast

import msgspec
from jsonschema import Draft202012Validator

CALLS: Final = "/calls"
CALL: Final = "/calls/{call_control_id}"
ACTIONS: Final = "/calls/{call_control_id}/actions/"
NUMBER: Final = "/phone_numbers/{id}"
APPLICATION: Final = "/call_control_applications/{id}"
_EXTRACTS: Final = ("call_control", "account")

EVENT_SCHEMAS: Final[Mapping[str, str]] = {
    "call.initiated": "CallInitiated",
    "call.answered": "CallAnswered",
    "call.hangup": "CallHangup",
    "call.speak.started": "CallSpeakStarted",
    "call.speak.ended": "CallSpeakEnded",
    "call.dtmf.received": "CallDtmfReceived",
    "call.transcription": "Transcription",
    "streaming.started": "CallStreamingStarted",
    "streaming.stopped": "CallStreamingStopped",
    "streaming.failed": "CallStreamingFailed",
}


class _Reference(msgspec.Struct):
    ref: str = msgspec.field(name="$ref")


class _Content(msgspec.Struct):
    schema: _Reference


class _Body(msgspec.Struct):
    content: dict[str, _Content]


class _Operation(msgspec.Struct):
    body: _Body | None = msgspec.field(default=None, name="requestBody")


class _Schema(msgspec.Struct):
    properties: dict[str, dict[str, object]] = {}


class _Components(msgspec.Struct):
    schemas: dict[str, _Schema]


class _OpenApi(msgspec.Struct):
    paths: dict[str, dict[str, _Operation]]
    components: _Components


class _Schemas(msgspec.Struct):
    schemas: dict[str, object]


class _Document(msgspec.Struct):
    paths: dict[str, object]
    components: _Schemas


@cache
def _document() -> dict[str, object]:
    """Both extracts as one."""
    whole = _Document({}, _Schemas({}))
    folder = files(__name__.rpartition(".")[0]) / "spec"
    for name in _EXTRACTS:
        extract = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=_Document)
        whole.paths |= extract.paths
        whole.components.schemas |= extract.components.schemas
    return msgspec.convert(msgspec.to_builtins(whole), dict[str, object])


@cache
def _api() -> _OpenApi:
    return msgspec.convert(_document(), _OpenApi)


def actions() -> Mapping[str, str]:
    """The commands that are known, each with its HTTP method."""
    return {
        path.removeprefix(ACTIONS): next(iter(operations)).upper()
        for path, operations in _api().paths.items()
        if path.startswith(ACTIONS)
    }


def check_body(path: str, method: str, body: Mapping[str, object]) -> list[str]:
    """What is wrong with the JSON body of a request; empty if nothing."""
    operation = _api().paths[path][method]
    assert operation.body is not None
    name = operation.body.content["application/json"].schema.ref.rpartition("/")[2]
    return check_object(name, body)


def check_object(name: str, value: Mapping[str, object]) -> list[str]:
    """What is wrong with an object of this schema; fields that it does not have are, too."""
    known = _api().components.schemas[name].properties
    wrong = [f"{field}: no such field" for field in value if field not in known]
    return wrong + list(_problems(name, value))


def check_event(event_type: str, data: Mapping[str, object]) -> list[str]:
    """What is wrong with an event of ours. A `client_state` may be null, whatever the schema says:
    Telnyx sends that before a command has set one."""
    payload = data["payload"]
    assert isinstance(payload, Mapping)
    fields = cast("Mapping[str, object]", payload)
    present = {name: value for name, value in fields.items() if value is not None}
    return check_object(EVENT_SCHEMAS[event_type], {**data, "payload": present})


@cache
def _validator(name: str) -> Draft202012Validator:
    root = {"$ref": f"#/components/schemas/{name}", "components": _document()["components"]}
    return Draft202012Validator(root)


def _problems(name: str, value: Mapping[str, object]) -> Iterator[str]:
    instance = msgspec.json.decode(msgspec.json.encode(value))
    for error in _validator(name).iter_errors(instance):  # pyright: ignore[reportUnknownMemberType]
        where = "/".join(map(str, error.absolute_path))
        yield f"{where or name}: {error.message[:300]}"
