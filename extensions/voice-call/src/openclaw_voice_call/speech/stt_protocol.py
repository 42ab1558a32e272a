"""What a recogniser's wire protocol is to the line that speaks it. Pure.

A protocol object belongs to one connection: it is told what came, and asked what to send. Audio is
mu-law at 8000 Hz, 8 bytes a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, Protocol, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import Partial, SpeechStarted, TurnEnded

Message: TypeAlias = str | bytes
"""Text or binary, as it travels."""

_LONGEST_DETAIL: Final = 200


class Verdict(Enum):
    """What a trouble means for the connection."""

    NOTED = "noted"
    """The connection goes on."""
    LOST = "lost"
    """It is over; another one may work."""
    REFUSED = "refused"
    """It is over, and another one would end the same way: the key, the account, the settings."""


class Trouble(msgspec.Struct, frozen=True):
    """Something that the vendor or the network did not do for us. Holds no secret, no speech."""

    code: str
    """Stable: the vendor's own, or one of ours (`timeout`, `unreachable`, `closed`, ...)."""
    detail: str
    verdict: Verdict = Verdict.LOST


class Ready(msgspec.Struct, frozen=True):
    """The vendor has taken our settings and takes audio now."""


class Settled(msgspec.Struct, frozen=True):
    """All speech up to here has been answered, if only with nothing."""

    until_ms: int | None = None
    """Of the connection's audio; None: all that was sent."""


Reading: TypeAlias = Ready | Settled | Trouble | SpeechStarted | Partial | FinalText | TurnEnded


class SttProtocol(Protocol):
    """One connection to one vendor."""

    @property
    def url(self) -> str:
        """Where to connect, `ws` or `wss`. Without a key in it."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """For the upgrade; they hold the key."""
        ...

    @property
    def opening(self) -> Sequence[Message]:
        """What is sent as soon as the socket is open."""
        ...

    @property
    def ready_when_open(self) -> bool:
        """Whether an open socket takes audio, without a `Ready`."""
        ...

    @property
    def keep_alive_s(self) -> float | None:
        """How long nothing may be sent; then `keep_alive()` is. None: as long as it likes."""
        ...

    @property
    def fresh_s(self) -> float | None:
        """How long a connection is used before another one takes over. None: without end."""
        ...

    def read(self, message: Message) -> Sequence[Reading]:
        """What a message says. Never raises: what cannot be read is a `Trouble` that is noted."""
        ...

    def refused(self, status: int, headers: Mapping[str, str]) -> Trouble:
        """What it means that the upgrade was answered with this HTTP status."""
        ...

    def audio(self, mulaw: bytes) -> Message:
        """A message with the next audio, which is not empty."""
        ...

    def keep_alive(self) -> Message: ...

    def finish_turn(self) -> Sequence[Message]:
        """What makes the vendor finish what it has heard; nothing if it has heard nothing."""
        ...


def endpoint(base_url: str, resource: str, query: Sequence[tuple[str, str]] = ()) -> str:
    """The websocket URL of `resource` (`/realtime`) at a base URL.

    `https` stands for `wss`. A base without a path gets `/v1`; `resource` is added unless the
    path ends in it already.
    """
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/") or "/v1"
    if not path.endswith(resource):
        path += resource
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
    return parts._replace(
        scheme=scheme, path=path, query=urlencode(query, quote_via=quote)
    ).geturl()


def spoken_language(order: str, configured: str | None) -> str | None:
    """The BCP 47 tag that counts; None when the vendor is to find out."""
    language = configured or order
    return None if language in ("", "auto") else language


def primary(language: str | None) -> str | None:
    """The language alone, as ISO 639 has it: `en` of `en-US`."""
    return None if language is None else language.partition("-")[0].lower()


_FOR_GOOD: Final = frozenset({400, 401, 402, 403, 404, 405, 410, 422})


def refusal(status: int, code: str | None = None) -> Trouble:
    """What a failed upgrade means, where the vendor says nothing more about it.

    The vendor's text is left out: some repeat parts of the key.
    """
    why = {
        401: "the key was refused",
        402: "the account has no credit",
        403: "the key may not do this",
        404: "there is no such service at this URL",
        429: "too many requests or connections",
    }.get(status, "the connection was refused")
    verdict = Verdict.REFUSED if status in _FOR_GOOD else Verdict.LOST
    return Trouble(code or f"http_{status}", f"{why} (HTTP {status})", verdict)


def shortened(text: str) -> str:
    """A vendor's own words, of bounded length and on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_DETAIL else f"{line[:_LONGEST_DETAIL]}..."
