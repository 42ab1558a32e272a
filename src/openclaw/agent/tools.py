"""Tools: what a model may do besides answering."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from openclaw.errors import ToolSchemaInvalid, ToolTaken


@dataclass(frozen=True)
class ToolResult:
    """What a tool gives back: details for programs, text for the model."""

    details: Mapping[str, object]
    text: str

    @classmethod
    def of(cls, details: Mapping[str, object]) -> ToolResult:
        """Make a result whose text is the details as indented JSON."""
        return cls(details, json.dumps(details, indent=2, ensure_ascii=False, default=str))

    @classmethod
    def error(cls, text: str) -> ToolResult:
        """Make the result of a tool that could not do its work: `{"error": text}`."""
        return cls.of({"error": text})

    def as_json(self) -> dict[str, object]:
        """Render `{content: [{type: "text", text}], details}`, the form of the gateway protocol."""
        content = [{"type": "text", "text": self.text}]
        return {"content": content, "details": dict(self.details)}


@dataclass(frozen=True)
class Tool:
    """Something a model may do.

    `run` gets the arguments as the model wrote them, not yet checked against `schema`. It reports
    what went wrong as a result, so that the model can react; it raises only `OpenClawError`.
    """

    name: str
    label: str
    description: str
    schema: Mapping[str, object]
    """JSON schema of the arguments: one flat object, for unions are not portable among models."""
    run: Callable[[Mapping[str, object]], Awaitable[ToolResult]]
    audio_to_chat: bool = False
    """It answers by sending audio into a chat, which would never reach somebody on the phone."""


class ToolRegistry:
    """The tools of this gateway, by name."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def add(self, tool: Tool) -> None:
        """Offer a tool from now on.

        Raises:
            ToolTaken: Its name is in use.
            ToolSchemaInvalid: Its schema is not one flat object.
        """
        if tool.name in self._tools:
            raise ToolTaken(tool.name)
        _check_flat(tool)
        self._tools[tool.name] = tool

    def remove(self, name: str) -> None:
        """Stop offering a tool; an unknown name is ignored, as what is wanted is already so."""
        self._tools.pop(name, None)

    def find(self, name: str) -> Tool | None:
        """Give the tool of that name."""
        return self._tools.get(name)

    def __iter__(self) -> Iterator[Tool]:
        return iter(tuple(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)


def _check_flat(tool: Tool) -> None:
    schema = tool.schema
    if schema.get("type") != "object":
        raise ToolSchemaInvalid(tool.name, 'its "type" must be "object"')
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            raise ToolSchemaInvalid(tool.name, f"it must be one flat object, without {union}")
