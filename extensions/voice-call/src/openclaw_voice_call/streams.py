"""Brings each media stream that the door lets in to the call that waits for it."""

from __future__ import annotations

from collections.abc import Callable

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.errors import StreamRefused
from openclaw_voice_call.interfaces.media import MessageSink, StreamStart, StreamTicket, Wire
from openclaw_voice_call.runner import CallRunner


class CallStreams:
    """Implements `interfaces.media.StreamDesk`. `find` gives the live call with an id of ours."""

    def __init__(self, find: Callable[[CallId], CallRunner | None]) -> None:
        self._find = find

    def expects(self, ticket: StreamTicket) -> bool:
        runner = self._find(ticket.call_id)
        return runner is not None and runner.expects_stream(ticket.number)

    async def connect(self, ticket: StreamTicket, start: StreamStart, wire: Wire) -> MessageSink:
        runner = self._find(ticket.call_id)
        if runner is None:
            raise StreamRefused("the call is over")
        return await runner.open_stream(ticket.number, start, wire)
