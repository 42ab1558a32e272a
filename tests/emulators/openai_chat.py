"""A server that speaks OpenAI's chat completions, streaming, over a real socket.

Facts: https://platform.openai.com/docs/api-reference/chat/create and .../chat/streaming; error
bodies: https://platform.openai.com/docs/guides/error-codes. Requests are checked as the vendor
checks them, so a client that sends nonsense gets a 400.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web


@dataclass(frozen=True)
class Say:
    """Stream this text, a few characters per chunk."""

    text: str


@dataclass(frozen=True)
class CallTool:
    """Ask for a tool, perhaps after some words; the arguments come in pieces."""

    name: str
    arguments: Mapping[str, object] | str
    words: str = ""
    call_id: str = "call_1"


@dataclass(frozen=True)
class Refuse:
    """Answer with an HTTP error and OpenAI's error body."""

    status: int
    code: str | None
    type: str = "invalid_request_error"
    message: str = "refused"


@dataclass(frozen=True)
class Hang:
    """Say the words, then send nothing more and keep the connection open."""

    words: str = ""


@dataclass(frozen=True)
class Drop:
    """Say the words, then break the connection in the middle of the body."""

    words: str = ""


@dataclass(frozen=True)
class Raw:
    """Send these bytes as the answer's body."""

    body: bytes
    content_type: str = "text/event-stream"


@dataclass(frozen=True)
class Failing:
    """Begin a stream, then report an error inside it."""

    code: str
    message: str = "The server had an error"


Answer = Say | CallTool | Refuse | Hang | Drop | Raw | Failing


class FunctionCall(msgspec.Struct):
    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    id: str
    function: FunctionCall


class ChatMessage(msgspec.Struct):
    role: str
    content: str | None = None
    tool_calls: list[ToolCall] = []
    tool_call_id: str | None = None


class FunctionSpec(msgspec.Struct):
    name: str
    parameters: dict[str, object]
    description: str = ""


class ToolSpec(msgspec.Struct):
    function: FunctionSpec


class ChatRequest(msgspec.Struct):
    """A request as it arrived."""

    model: str
    messages: list[ChatMessage]
    stream: bool = False
    tools: list[ToolSpec] = []

    def said(self) -> list[tuple[str, str | None]]:
        """Give role and text of each message."""
        return [(message.role, message.content) for message in self.messages]


@dataclass
class OpenAIChatEmulator:
    """The vendor. Give it answers in order; the last one is repeated."""

    key: str = "sk-test"
    requests: list[ChatRequest] = field(default_factory=list[ChatRequest])
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client has gone away from an answer that hung."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first request has arrived."""
    _answers: deque[Answer] = field(default_factory=lambda: deque[Answer]([Say("Hello.")]))
    _runner: web.AppRunner | None = None
    base_url: str = ""

    def will(self, *answers: Answer) -> None:
        """Answer the next requests so."""
        self._answers = deque(answers)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        if http.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(Refuse(401, "invalid_api_key", message="Incorrect API key provided"))
        try:
            request = msgspec.json.decode(await http.read(), type=ChatRequest)
            _check(request)
        except (msgspec.DecodeError, ValueError) as exc:
            return _error(Refuse(400, None, message=str(exc)))
        self.requests.append(request)
        self.asked.set()
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.popleft()
        if isinstance(answer, Refuse):
            return _error(answer)
        try:
            return await self._stream(http, request, answer)
        finally:
            # A client may go away at any moment, not only when nothing more is sent.
            if isinstance(answer, Hang):
                self.left.set()

    async def _stream(
        self, http: web.Request, request: ChatRequest, answer: Answer
    ) -> web.StreamResponse:
        kind = answer.content_type if isinstance(answer, Raw) else "text/event-stream"
        response = web.StreamResponse(headers={"Content-Type": kind})
        response.enable_chunked_encoding()
        await response.prepare(http)
        if isinstance(answer, Raw):
            await response.write(answer.body)
            return response
        for chunk in _chunks(request.model, answer):
            data = f"data: {json.dumps(chunk)}\n\n".encode()
            # Events do not end where packets do.
            for part in (data[:7], data[7:]):
                await response.write(part)
                await asyncio.sleep(0)
        match answer:
            case Hang():
                await asyncio.get_running_loop().create_future()
            case Drop():
                assert http.transport is not None
                http.transport.abort()
            case _:
                await response.write(b"data: [DONE]\n\n")
        return response


def _error(refusal: Refuse) -> web.Response:
    error = {
        "message": refusal.message,
        "type": refusal.type,
        "param": None,
        "code": refusal.code,
    }
    return web.json_response({"error": error}, status=refusal.status)


def _check(request: ChatRequest) -> None:
    if not request.stream:
        raise ValueError("this emulator only streams: set stream")
    if not request.messages:
        raise ValueError("messages must not be empty")
    open_calls: set[str] = set()
    for message in request.messages:
        if message.role not in ("system", "developer", "user", "assistant", "tool"):
            raise ValueError(f"unknown role {message.role}")
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                raise ValueError("a tool message must follow the tool_calls it answers")
            open_calls.discard(message.tool_call_id)
        elif open_calls:
            raise ValueError("tool_calls must be followed by tool messages")
        open_calls |= {call.id for call in message.tool_calls}
    for tool in request.tools:
        if tool.function.parameters.get("type") != "object":
            raise ValueError(f"invalid schema for function {tool.function.name}")


def _chunks(model: str, answer: Answer) -> Iterator[dict[str, object]]:
    def chunk(delta: Mapping[str, object], finish: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_760_000_000,
            "model": model,
            "choices": [choice],
        }

    yield chunk({"role": "assistant", "content": ""})
    match answer:
        case Say(text):
            yield from (chunk({"content": piece}) for piece in _pieces(text))
            yield chunk({}, "stop")
        case Hang(words) | Drop(words):
            yield from (chunk({"content": piece}) for piece in _pieces(words))
        case CallTool(name, arguments, words, call_id):
            yield from (chunk({"content": piece}) for piece in _pieces(words))
            call: dict[str, object] = {
                "index": 0,
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": ""},
            }
            yield chunk({"tool_calls": [call]})
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            for piece in _pieces(text):
                yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            yield chunk({}, "tool_calls")
        case Failing(code, message):
            error = {"message": message, "type": "server_error", "param": None, "code": code}
            yield {"error": error}
        case Refuse() | Raw():
            raise AssertionError("these are not streamed in chunks")


def _pieces(text: str, size: int = 4) -> Sequence[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
