"""The URLs that we hand out to a carrier, and reading them back.

A link is the public webhook URL plus a query that names the call, and the step it serves. The
query is believed only after the carrier's signature has been verified over it.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import parse_qsl, quote

import msgspec

from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.errors import NotSupported
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.interfaces.stream_links import StreamLinks


class LinkKind(StrEnum):
    STEP = "step"
    """The carrier asks what to do at a step."""
    HEARD = "heard"
    """The carrier delivers what it heard at a step, and asks what is next."""
    STATUS = "status"
    """The carrier tells what became of the leg."""
    FALLBACK = "fallback"
    """The carrier could not get or use an answer of ours."""
    BARE = "bare"
    """The number's own webhook: nothing of ours in the query."""


class LinkTarget(msgspec.Struct, frozen=True):
    """What a request URL of ours names."""

    kind: LinkKind
    call_id: CallId | None = None
    step: StepRef | None = None


class CallLinks(msgspec.Struct, frozen=True):
    """Builds links on `base_url`, the public webhook URL (no fragment)."""

    base_url: str
    streams: StreamLinks | None = None
    """Set when calls may use live audio."""

    def stream_url(self, ticket: StreamTicket) -> str:
        """Where the carrier is to open a media stream. Raises NotSupported without `streams`."""
        if self.streams is None:
            raise NotSupported("Live audio is switched off")
        return self.streams.url(ticket)

    def stream_pass(self, ticket: StreamTicket) -> str:
        """The same proof, to go along with the stream. Raises NotSupported without `streams`."""
        if self.streams is None:
            raise NotSupported("Live audio is switched off")
        return self.streams.pass_for(ticket)

    def step(self, call_id: CallId, step: StepRef) -> str:
        return self._link(LinkKind.STEP, call_id, step)

    def heard(self, call_id: CallId, step: StepRef) -> str:
        return self._link(LinkKind.HEARD, call_id, step)

    def status(self, call_id: CallId) -> str:
        return self._link(LinkKind.STATUS, call_id, None)

    def fallback(self, call_id: CallId) -> str:
        return self._link(LinkKind.FALLBACK, call_id, None)

    def _link(self, kind: LinkKind, call_id: CallId, step: StepRef | None) -> str:
        query = f"type={kind.value}&call={quote(call_id, safe='')}"
        if step is not None:
            query += f"&script={step.script}&step={step.step}"
        mark = "&" if "?" in self.base_url else "?"
        return f"{self.base_url}{mark}{query}"


def read_link(target: str) -> LinkTarget:
    """Read a request target (`/path?query`) or URL. What is not ours is `BARE`.

    `?type=status` without a call is how numbers are configured in a carrier's console (F72).
    """
    # Bytes that are not UTF-8 were decoded to surrogates, which nothing after this could write.
    written = target.partition("?")[2].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    query = dict(parse_qsl(written, keep_blank_values=True))
    try:
        kind = LinkKind(query.get("type", ""))
    except ValueError:
        return LinkTarget(LinkKind.BARE)
    call = query.get("call")
    call_id = CallId(call) if call else None
    script, step = query.get("script", ""), query.get("step", "")
    ref = None
    if script.isdecimal() and step.isdecimal() and len(script) < 9 and len(step) < 9:
        ref = StepRef(int(script), int(step))
    if kind in (LinkKind.STEP, LinkKind.HEARD) and (ref is None or call_id is None):
        return LinkTarget(LinkKind.BARE)
    return LinkTarget(kind, call_id, ref)
