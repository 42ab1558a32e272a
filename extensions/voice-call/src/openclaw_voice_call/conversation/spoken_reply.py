"""A reply in the making as sentences to be spoken."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import ClassVar

from openclaw.sdk import AgentError, ReplyRun
from openclaw_voice_call.conversation.spoken_stream import SpokenStream
from openclaw_voice_call.errors import VoiceCallError

FirstToken = Callable[[float], None]
"""Takes the time of a reply's first token, monotonic seconds."""


class ReplyError(VoiceCallError):
    """The agent gave no answer that can be spoken; `why` is the agent's error code."""

    code: ClassVar[str] = "no_reply"

    def __init__(self, why: str) -> None:
        super().__init__(f"no reply: {why}")
        self.why = why


class SpokenReply(AsyncGenerator[str, None]):
    """Gives the sentences of a reply as they are complete.

    Closing it stops the model, also where it was never read, which a generator function could not
    promise. A tool that has begun goes on.
    """

    def __init__(
        self,
        run: ReplyRun,
        *,
        monotonic: Callable[[], float],
        first_token: FirstToken | None = None,
        token_at: float | None = None,
    ) -> None:
        """`token_at`: when the first token came, if it has come already."""
        self._run = run
        self._monotonic = monotonic
        self._first_token = first_token
        self._token_at = token_at
        self._sentences = self._read()

    async def asend(self, value: None, /) -> str:
        """The next sentence.

        Raises:
            ReplyError: The agent failed, perhaps after some sentences, or said nothing.
        """
        return await self._sentences.asend(value)

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> str:
        self._run.cancel()
        thrown = typ if isinstance(typ, BaseException) else typ()
        return await self._sentences.athrow(thrown)

    async def aclose(self) -> None:
        self._run.cancel()
        await self._sentences.aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        stream = SpokenStream()
        spoke = False
        try:
            async for text in self._run:
                self._note(text)
                for sentence in stream.feed(text):
                    spoke = True
                    yield sentence
                if stream.full:
                    # The model has nothing more to say that would be spoken; this ends the loop.
                    self._run.cancel()
            for sentence in stream.finish():
                spoke = True
                yield sentence
        except AgentError as error:
            for sentence in stream.break_off():
                yield sentence
            raise ReplyError(error.code) from error
        finally:
            self._run.cancel()
        if not spoke:
            raise ReplyError("model_empty")

    def _note(self, text: str) -> None:
        if self._first_token is None or not text.strip():
            return
        self._first_token(self._monotonic() if self._token_at is None else self._token_at)
        self._first_token = None
