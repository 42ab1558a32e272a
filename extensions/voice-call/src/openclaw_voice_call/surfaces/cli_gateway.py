"""How the verbs reach the gateway, and how its refusals are told. Light."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol, cast

import click

from openclaw.sdk_cli import GatewayChoice, RpcFailed, connect, fail
from openclaw_voice_call.surfaces.doors import Failure

UNKNOWN_METHOD: Final = "unknown method: voicecall."
NOT_OFFERED: Final = (
    "this gateway runs without the plugin or without this method; see: openclaw plugins doctor, "
    "and enable it with: openclaw config set plugins.entries.voice-call.enabled true"
)


class Announcement(Protocol):
    """An event that the gateway sent."""

    @property
    def event(self) -> str: ...

    @property
    def payload(self) -> object: ...


class Client(Protocol):
    """What the host's `connect` gives."""

    def call(
        self, method: str, params: Mapping[str, object] | None = None, timeout: float = 10.0
    ) -> object: ...

    def events(self, timeout: float | None = None) -> Iterator[Announcement]: ...


class VoiceGateway:
    """The running gateway, asked by one verb."""

    def __init__(self, client: Client, patience_s: float) -> None:
        self._client = client
        self._patience_s = patience_s

    def ask(
        self, method: str, params: Mapping[str, object], *, at_least_s: float = 0.0
    ) -> dict[str, object]:
        """The result; waits for what the user allows, and `at_least_s` seconds.

        Raises RpcFailed, GatewayTimeout, GatewayUnreachable.
        """
        answer = self._client.call(method, params, timeout=max(self._patience_s, at_least_s))
        return cast("dict[str, object]", answer) if isinstance(answer, dict) else {}

    def states(self, call_id: str) -> Iterator[str]:
        """The states of this call that were announced since the last time, oldest first."""
        for event in self._client.events(timeout=0.0):
            payload = event.payload
            if event.event != "voicecall.call" or not isinstance(payload, dict):
                continue
            told = cast("dict[str, object]", payload)
            if told.get("callId") == call_id:
                yield str(told.get("state"))


@contextmanager
def voice_gateway(ctx: click.Context, choice: GatewayChoice) -> Generator[VoiceGateway]:
    """Connect; a refused request ends the verb with its text, code and remedy.

    Raises GatewayUnreachable, GatewayRefused, GatewayTimeout and ConfigError, which the host's
    command line explains.
    """
    with connect(ctx, choice) as client:
        try:
            yield VoiceGateway(client, choice["timeout"] / 1000)
        except RpcFailed as error:
            tell(failure_on_wire(error))


def tell(failure: Failure) -> NoReturn:
    """End the verb with the failure's text, code and remedy."""
    fail(failure.line, f"Remedy: {failure.remedy}" if failure.remedy else None)


def failure_on_wire(error: RpcFailed) -> Failure:
    """The failure that the gateway's plugin sent; other gateways say less."""
    remedy = error.details.get("remedy")
    text = error.message
    if text.startswith(UNKNOWN_METHOD):
        remedy = NOT_OFFERED
    elif text == "to required":
        text = "Missing --to and no toNumber configured"
        remedy = "give --to, or set plugins.entries.voice-call.config.toNumber"
    return Failure(
        text=text,
        code=error.stable_code,
        protocol_code=error.code,
        retryable=bool(error.retryable),
        remedy=remedy if isinstance(remedy, str) else None,
    )
