"""Tools: registration and what a result looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from openclaw.agent.tools import Tool, ToolRegistry, ToolResult
from openclaw.errors import ToolSchemaInvalid, ToolTaken


async def nothing(_: Mapping[str, object]) -> ToolResult:
    return ToolResult.of({})


def tool(name: str, schema: Mapping[str, object] | None = None) -> Tool:
    return Tool(name, name.title(), "", schema or {"type": "object"}, nothing)


def test_a_result_shows_its_details_to_the_model_as_indented_json() -> None:
    result = ToolResult.of({"callId": "c1", "text": "ü"}).as_json()
    assert result["details"] == {"callId": "c1", "text": "ü"}
    assert result["content"] == [{"type": "text", "text": '{\n  "callId": "c1",\n  "text": "ü"\n}'}]


def test_an_error_is_a_result() -> None:
    result = ToolResult.error("to required")
    assert result.details == json.loads(result.text) == {"error": "to required"}


def test_a_name_is_taken_once_until_it_is_given_back() -> None:
    registry = ToolRegistry()
    registry.add(tool("voice_call"))
    with pytest.raises(ToolTaken, match="voice_call"):
        registry.add(tool("voice_call"))
    registry.remove("voice_call")
    registry.remove("voice_call")
    registry.add(tool("voice_call"))
    assert [t.name for t in registry] == ["voice_call"]
    assert registry.find("voice_call") is not None
    assert registry.find("other") is None


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "string"}, "object"),
        ({"type": "object", "anyOf": []}, "anyOf"),
        ({"oneOf": [], "type": "object"}, "oneOf"),
        ({"properties": {}}, "object"),
    ],
)
def test_a_schema_that_models_cannot_read_is_refused(
    schema: Mapping[str, object], complaint: str
) -> None:
    with pytest.raises(ToolSchemaInvalid, match=complaint):
        ToolRegistry().add(tool("bad", schema))
