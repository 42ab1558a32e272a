"""A model that says what a script tells it to, for demonstrations and tests.

Configured under `models.providers.scripted` and used as `scripted/<any name>`:

    { rules: [ { match: "order (\\d+)", reply: "You said {text}.", delayMs: 200 },
               { model: "broken", match: "", fail: "hang" } ],
      default: "Turn {turn}: {text}" }
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Annotated, Literal, assert_never

from pydantic import AfterValidator, Field

from openclaw.agent.prompt import Prompt
from openclaw.config.model_base import Items, Section
from openclaw.errors import ModelRefused, ModelTimeout, ModelUnreachable

Failure = Literal["error", "refused", "cut", "empty", "hang", "timeout"]
"""How a reply can fail: a server error, a refused key, a connection that breaks in mid-reply, no
words, an endless wait, a vendor's own time-out."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    return pattern


class Rule(Section):
    """What to reply when the caller's words match."""

    model: str | None = None
    """Only for `scripted/<model>`."""
    match: Annotated[str, AfterValidator(_compiles)] = ""
    """A regular expression, searched for anywhere and without regard to case."""
    reply: str = ""
    """The words; `{text}` is what the caller said, `{turn}` counts the caller's turns from 1."""
    delay_ms: Annotated[int, Field(ge=0)] = 0
    """Milliseconds before the first word."""
    word_ms: Annotated[int, Field(ge=0)] = 0
    """Milliseconds before each further word."""
    fail: Failure | None = None


class Script(Section):
    """All that a scripted model knows: the first rule that matches answers, else the default."""

    rules: Items[Rule] = ()
    default: str = "You said: {text}"

    def rule_for(self, model: str, text: str) -> Rule:
        """Choose what to do about a text."""
        for rule in self.rules:
            if rule.model in (None, model) and re.search(rule.match, text, re.IGNORECASE):
                return rule
        return Rule(reply=self.default)


def words(template: str, text: str, turn: int) -> list[str]:
    """Fill in a reply and cut it into words, each with the white space after it.

    What the caller said is inserted as it is: a `{turn}` within it stays.
    """
    values = {"{text}": text, "{turn}": str(turn)}
    filled = re.sub(r"\{(?:text|turn)\}", lambda found: values[found[0]], template)
    return re.findall(r"\s*\S+\s*", filled)


class ScriptedModel:
    """Plays a script as a model would: word by word."""

    def __init__(self, name: str, script: Script) -> None:
        self._name = name
        self._ref = f"scripted/{name}"
        self._script = script

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Give the reply's words.

        Raises:
            AgentError: The rule says so.
        """
        rule = self._script.rule_for(self._name, prompt.text)
        turn = 1 + len({m.turn for m in prompt.history if m.role == "user"})
        reply = words(rule.reply, prompt.text, turn)
        await asyncio.sleep(rule.delay_ms / 1000)
        match rule.fail:
            case None:
                said = len(reply)
            case "cut":
                said = (len(reply) + 1) // 2
            case "empty":
                return
            case "hang":
                await asyncio.get_running_loop().create_future()
                return
            case "timeout":
                raise ModelTimeout(self._ref, rule.delay_ms / 1000)
            case "refused":
                raise ModelRefused(self._ref, status=401, vendor_code="invalid_api_key")
            case "error":
                raise ModelUnreachable(self._ref, "HTTP 500", status=500)
            case _:
                assert_never(rule.fail)
        for index, word in enumerate(reply[:said]):
            if index:
                await asyncio.sleep(rule.word_ms / 1000)
            yield word
        if rule.fail == "cut":
            raise ModelUnreachable(self._ref, "the connection broke in the middle of the reply")
