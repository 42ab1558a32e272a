"""The section as documents need it: its keys, and its JSON schema. Pure, used when generating."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeGuard

from pydantic.fields import FieldInfo

from openclaw_voice_call.config.base import Section, Unset
from openclaw_voice_call.config.fallbacks import FALLBACKS, TWILIO_FROM_NUMBER
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.parse import sections_in

Schema = dict[str, object]

_ADVANCED_SECTIONS: Final = (
    *("mock", "stt", "streaming", "tailscale", "tts", "tunnel", "webhookSecurity"),
    *("agentId", "sessionScope", "skipSignatureVerification", "store"),
    *("responseTimeoutMs", "ringTimeoutMs", "silenceTimeoutMs", "staleCallReaperSeconds"),
    *("transcriptTimeoutMs", "twilio.baseUrl", "twilio.region"),
    *("telnyx.baseUrl", "plivo.baseUrl", "outbound.notifyHangupDelaySec"),
)
"""What a form may hide at first: these keys and all beneath them."""


def is_object(value: object) -> TypeGuard[Schema]:
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


@dataclass(frozen=True, slots=True)
class Key:
    """One key that can be set."""

    path: str
    """Within the section; `[]` stands for an array's items."""
    about: str
    schema: Schema
    default: object
    secret: bool
    env: tuple[str, ...]
    section: type[Section] | None
    """The section beneath, None for a plain value."""

    @property
    def advanced(self) -> bool:
        return any(
            self.path == each or self.path.startswith((f"{each}.", f"{each}["))
            for each in _ADVANCED_SECTIONS
        )


def keys(section: type[Section] = VoiceCallConfig, above: str = "") -> Iterator[Key]:
    """The keys of a section in order of declaration, not those beneath."""
    properties = section_schema(section)["properties"]
    assert is_object(properties)
    about = descriptions(section)
    for name, field in section.model_fields.items():
        key = field.alias or name
        path = f"{above}{key}"
        below = next(iter(sections_in(field.annotation)), None)
        shape = properties[key]
        assert is_object(shape)
        yield Key(
            path=path,
            about=about[name],
            schema=shape,
            default=None if below else field.get_default(),
            secret=shape.get("format") == "password",
            env=(TWILIO_FROM_NUMBER,) if path == "fromNumber" else FALLBACKS.get(path, ()),
            section=below,
        )


def all_keys(section: type[Section] = VoiceCallConfig, above: str = "") -> Iterator[Key]:
    """Every key at every depth."""
    for key in keys(section, above):
        yield key
        if key.section is not None:
            items = "[]" if key.schema.get("type") == "array" else ""
            yield from all_keys(key.section, f"{key.path}{items}.")


@cache
def descriptions(section: type[Section]) -> Mapping[str, str]:
    """What stands under each field in the source, on one line, by Python name."""
    body = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = " ".join(str(text.value.value).split())
    missing = section.model_fields.keys() - found
    if missing:
        raise ValueError(f"{section.__name__}: no description under {', '.join(sorted(missing))}")
    return found


def config_schema() -> Schema:
    """The whole section's JSON schema, without references."""
    return section_schema(VoiceCallConfig)


def section_schema(section: type[Section]) -> Schema:
    """An object schema in which every key is described and, as a rule, no other is allowed."""
    raw: Schema = section.model_json_schema(by_alias=True)
    definitions = raw.get("$defs", {})
    properties = raw["properties"]
    assert is_object(definitions)
    assert is_object(properties)
    about = descriptions(section)
    shapes: Schema = {}
    for name, field in section.model_fields.items():
        key = field.alias or name
        raw_shape = properties[key]
        assert is_object(raw_shape)
        shapes[key] = _shape(raw_shape, field, definitions, about[name])
    is_open = section.model_config.get("extra") == "allow"
    schema: Schema = {"type": "object", "additionalProperties": is_open, "properties": shapes}
    required = raw.get("required")
    return {**schema, "required": required} if required else schema


def _shape(raw: Schema, field: FieldInfo, definitions: Schema, about: str) -> Schema:
    below = next(iter(sections_in(field.annotation)), None)
    shape = _plain(raw, definitions)
    if below is not None and shape.get("type") == "array":
        shape["items"] = section_schema(below)
    elif below is not None:
        shape = section_schema(below)
    if any(isinstance(each, Unset) for each in field.metadata):
        _allow_empty(shape)
    default = field.get_default()
    if below is None and default is not None and not field.is_required():
        shape["default"] = [] if default == () else default
    shape["description"] = about
    return shape


def _plain(raw: Schema, definitions: Schema) -> Schema:
    """One value's schema without titles, references and the null of what may be left out."""
    reference = raw.get("$ref")
    if isinstance(reference, str):
        target = definitions[reference.rpartition("/")[2]]
        assert is_object(target)
        raw = {**target, **{key: value for key, value in raw.items() if key != "$ref"}}
    choices = raw.get("anyOf")
    if is_array(choices):
        first, *others = choices
        assert is_object(first)
        assert others == [{"type": "null"}]
        raw = {**first, **raw}
    dropped = {"anyOf", "title", "default", "description", "writeOnly"}
    shape = {key: value for key, value in raw.items() if key not in dropped}
    items = shape.get("items")
    if is_object(items) and "$ref" not in items:
        shape["items"] = _plain(items, definitions)
    return shape


def _allow_empty(shape: Schema) -> None:
    """An empty string leaves the key out, so the schema takes it."""
    pattern, choices = shape.get("pattern"), shape.get("enum")
    shape.pop("minLength", None)
    if isinstance(pattern, str):
        shape["pattern"] = f"^$|{pattern}"
    if is_array(choices):
        shape["enum"] = [*choices, ""]
