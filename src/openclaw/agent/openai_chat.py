"""Models that speak OpenAI's chat completions, through pydantic-ai.

Importing this module is slow; `openclaw.agent.models` does it in a thread.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from openai import APIError, AsyncOpenAI
from pydantic_ai import (
    Agent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    UsageLimits,
    UserPromptPart,
)
from pydantic_ai import Tool as VendorTool
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelTimeoutError,
    UsageLimitExceeded,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from openclaw.agent.prompt import Prompt
from openclaw.agent.sessions import Message
from openclaw.agent.settings import Endpoint, ModelRef
from openclaw.agent.tools import Tool
from openclaw.errors import (
    AgentError,
    ModelEmpty,
    ModelRefused,
    ModelUnreachable,
)

MAX_ROUNDS = 8
"""How often a model may be asked within one reply, so that tool calls come to an end."""


class OpenAIChat:
    """One vendor's address with its connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        key = endpoint.api_key.get_secret_value() if endpoint.api_key else "none"
        # A caller is waiting: trying again is for the list of fallback models, not for the client.
        self._client = AsyncOpenAI(base_url=endpoint.base_url, api_key=key, max_retries=0)

    def model(self, ref: ModelRef) -> OpenAIChatReply:
        """Give one of the vendor's models."""
        provider = OpenAIProvider(openai_client=self._client)
        return OpenAIChatReply(str(ref), OpenAIChatModel(ref.name, provider=provider))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class OpenAIChatReply:
    """One model at one vendor."""

    def __init__(self, ref: str, model: OpenAIChatModel) -> None:
        self._ref = ref
        self._model = model

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Give the reply's text as it comes.

        Raises:
            AgentError: What the vendor, the connection or the answer's form did wrong.
        """
        agent = Agent(
            self._model,
            # An empty answer is ours to judge; otherwise pydantic-ai would ask again.
            output_type=(str, type(None)),
            instructions=prompt.system,
            tools=[_vendor_tool(tool) for tool in prompt.tools],
            retries={"tools": 1, "output": 0},
        )
        text_before = False
        try:
            async with agent.run_stream_events(
                prompt.text,
                message_history=_messages(prompt.history),
                usage_limits=UsageLimits(request_limit=MAX_ROUNDS),
                infer_name=False,
            ) as events:
                async for event in events:
                    match event:
                        case PartStartEvent(part=TextPart(content=text)):
                            # What was said before must not run into what comes after.
                            if text_before:
                                yield "\n"
                            text_before = True
                        case PartStartEvent(part=ToolCallPart()) if text_before:
                            # Who reads along shall not wait for the tool to know that a sentence
                            # has ended.
                            text_before, text = False, "\n"
                        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                            pass
                        case _:
                            continue
                    if text:
                        yield text
        except (AgentRunError, APIError) as exc:
            raise agent_error(exc, self._ref) from exc


def agent_error(exc: AgentRunError | APIError, ref: str) -> AgentError:
    """Translate a failure. The vendor's own words are left out, for they may repeat the key."""
    match exc:
        case ModelTimeoutError():
            return ModelUnreachable(ref, "the vendor did not take the request in time")
        case ModelHTTPError() if exc.status_code >= 500:
            return ModelUnreachable(
                ref,
                f"HTTP {exc.status_code} from the vendor",
                status=exc.status_code,
                vendor_code=_vendor_code(exc),
            )
        case (
            ModelHTTPError()
            | ModelQuotaExceededError()
            | ModelRateLimitError()
            | ModelRequestRejectedError()
        ):
            return ModelRefused(
                ref,
                status=exc.status_code if isinstance(exc, ModelHTTPError) else None,
                vendor_code=_vendor_code(exc),
                retryable=isinstance(exc, ModelRateLimitError),
            )
        case ModelAPIError():
            return ModelUnreachable(
                ref, "the connection to the vendor failed", vendor_code=_vendor_code(exc)
            )
        case ContentFilterError():
            return ModelRefused(ref, status=None, vendor_code="content_filter")
        case UsageLimitExceeded():
            return ModelEmpty(ref, f"it was asked {MAX_ROUNDS} times and only called tools")
        case _:
            return ModelUnreachable(ref, "the vendor's answer cannot be read")


def _vendor_code(exc: ModelAPIError) -> str | None:
    return exc.provider_error_code or exc.provider_error_type


def _vendor_tool(tool: Tool) -> VendorTool[object]:
    async def call(**arguments: object) -> str:
        return (await tool.run(arguments)).text

    return VendorTool[object].from_schema(
        call, name=tool.name, description=tool.description, json_schema=dict(tool.schema)
    )


def _messages(history: Sequence[Message]) -> list[ModelMessage]:
    return [
        ModelRequest(parts=[UserPromptPart(message.text)])
        if message.role == "user"
        else ModelResponse(parts=[TextPart(message.text)])
        for message in history
    ]
