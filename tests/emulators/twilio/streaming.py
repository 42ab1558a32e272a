"""`<Connect><Stream>`: holds the document as long as there is live audio."""

from typing import Protocol
from uuid import uuid4

from tests.emulators.media import MediaStream, Talker
from tests.emulators.twilio.calls import Call, Fetch, Form
from tests.emulators.twilio.exchange import Exchange
from tests.emulators.twilio.media import TwilioLanguage
from tests.emulators.twilio.twiml import Stream
from tests.emulators.twilio.webhooks import Kind

HANDSHAKE_FAILED = 31920


class Caller(Protocol):
    """What a stream needs of its line."""

    @property
    def call(self) -> Call: ...
    @property
    def talker(self) -> Talker: ...
    def send(self, kind: Kind, target: Fetch, fields: Form) -> None: ...


class Streaming:
    """One execution of a Stream on a line."""

    def __init__(self, line: Caller, exchange: Exchange, stream: Stream) -> None:
        self._line = line
        self._exchange = exchange
        self._stream = stream

    async def run(self) -> None:
        """Until the stream is over; one that fails is passed over.

        What becomes of the document then is not documented: here it goes on.
        """
        media = self._open()
        try:
            if not await media.connected():
                text = f"media stream: {media.error}"
                self._exchange.alert(self._line.call, HANDSHAKE_FAILED, text)
                return self._tell(media, "stream-error")
            self._tell(media, "stream-started")
            return await media.ended()
        finally:
            media.stop()
            if media.started_at is not None:
                self._tell(media, "stream-stopped")

    def _open(self) -> MediaStream:
        call, exchange, url = self._line.call, self._exchange, self._stream.url
        sid = f"MZ{uuid4().hex}"
        language = TwilioLanguage(sid, call.sid, call.account_sid, self._stream.parameters)
        headers = {"X-Twilio-Signature": exchange.webhooks.sign(url)}
        media = exchange.media.open(call.sid, sid, url, language, self._line.talker, headers)
        call.streams.append(media)
        exchange.note(call, "stream", url)
        return media

    def _tell(self, media: MediaStream, event: str) -> None:
        stream, call = self._stream, self._line.call
        if not stream.status_callback:
            return
        fields = [
            ("AccountSid", call.account_sid),
            ("CallSid", call.sid),
            ("StreamSid", media.name),
            ("StreamName", stream.name),
            ("StreamEvent", event),
            ("Timestamp", self._exchange.clock.wall().isoformat()),
        ]
        if event == "stream-error":
            fields.append(("StreamError", f"{HANDSHAKE_FAILED} {media.error}"))
        target = Fetch(stream.status_callback, stream.status_callback_method)
        self._line.send("stream", target, tuple(fields))
