"""The URLs of media streams: each names one stream of one call and proves that we made it. Pure.

Everything is in the path. Some carriers drop a stream URL's query, all of them keep its path.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.interfaces.media import StreamTicket

TOKEN_PARAMETER: Final = "token"
"""The custom parameter that carries `StreamLinks.pass_for` beside the path, where there are any."""
_TOKEN_BYTES: Final = 18
_LONGEST: Final = 300


class StreamLinks(msgspec.Struct, frozen=True):
    """Builds and reads stream URLs below `base_url` (`wss://host/voice/stream`, no query)."""

    base_url: str
    key: bytes
    """At least 32 random bytes that are kept with the journal: any process of this gateway can
    check what another one has handed out."""

    def __repr__(self) -> str:
        return f"StreamLinks({self.base_url!r})"

    def url(self, ticket: StreamTicket) -> str:
        """Where the carrier is to open the stream."""
        return f"{self.base_url.rstrip('/')}/{self.pass_for(ticket)}"

    def pass_for(self, ticket: StreamTicket) -> str:
        """`call/number/token`: what stands below the base path."""
        call = quote(ticket.call_id, safe="")
        return f"{call}/{ticket.number}/{self._token(ticket)}"

    def read(self, presented: str) -> StreamTicket | None:
        """The ticket of a pass that we made, else None. Takes the same time for every forgery."""
        parts = presented.strip("/").split("/")
        # A path that is not ASCII may hold surrogates, which nothing after this could encode.
        if len(presented) > _LONGEST or len(parts) != 3 or not presented.isascii():
            return None
        call, number, token = parts
        if not (number.isascii() and number.isdecimal() and len(number) < 9):
            return None
        ticket = StreamTicket(CallId(unquote(call)), int(number))
        genuine = hmac.compare_digest(token.encode(), self._token(ticket).encode())
        return ticket if genuine else None

    def _token(self, ticket: StreamTicket) -> str:
        named = f"{ticket.call_id}\n{ticket.number}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self.key, named, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:_TOKEN_BYTES]).decode()


def stream_number(url: str) -> int | None:
    """The number that a stream URL of ours names, unchecked: for what a carrier has signed."""
    number = url.partition("?")[0].split("/")[-2:][0]
    known = number.isascii() and number.isdecimal() and len(number) < 9
    return int(number) if known else None
