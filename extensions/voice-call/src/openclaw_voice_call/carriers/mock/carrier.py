"""The mock carrier: commands go to a simulated network, webhooks come through the real door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from openclaw_voice_call.call.script import ConnectStream, Digits, Listen, Say, StepRef
from openclaw_voice_call.call.types import CarrierCallId, EndReason
from openclaw_voice_call.carriers.mock.media import MockMedia
from openclaw_voice_call.carriers.mock.network import PhoneNetwork
from openclaw_voice_call.carriers.mock.signature import HEADER, is_genuine
from openclaw_voice_call.carriers.mock.webhook import decode, read
from openclaw_voice_call.errors import CarrierRefused, LineGone, SignatureError
from openclaw_voice_call.interfaces.carrier import (
    CarrierFeatures,
    LegState,
    LegStatus,
    Reading,
    VerifiedWebhook,
    WebhookReply,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.instruction import (
    DialOrder,
    Instruction,
    LegOrder,
    Perform,
)
from openclaw_voice_call.interfaces.links import CallLinks, read_link
from openclaw_voice_call.interfaces.media import MediaDialect, StreamTicket
from openclaw_voice_call.interfaces.speech import NativeVoice

FEATURES: Final = CarrierFeatures(markup=False, dials_phones=False)


class MockCarrier:
    """A command carrier without a phone bill. Implements `interfaces.carrier.Carrier`."""

    name = "mock"
    features = FEATURES
    media: MediaDialect = MockMedia()

    def __init__(self, network: PhoneNetwork, secret: bytes, links: CallLinks) -> None:
        self._network = network
        self._secret = secret
        self._links = links

    def voice_name(self, voice: NativeVoice) -> str | None:
        return None

    def notices(self) -> Sequence[str]:
        return ("the mock carrier reaches no phones: scripted people answer",)

    def signature_headers(self) -> Sequence[str]:
        return (HEADER,)

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        header = request.header(HEADER) or ""
        for url in urls:
            if is_genuine(self._secret, header, url, request.body, now):
                return self.trust(request)
        raise SignatureError("the mock network did not sign this request")

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        message = decode(request.body)
        return VerifiedWebhook(read_link(request.target), document={"message": message})

    def read(self, webhook: VerifiedWebhook) -> Reading:
        return read(webhook.document["message"])  # pyright: ignore[reportArgumentType]

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        return WebhookReply(204)

    async def dial(self, order: DialOrder) -> CarrierCallId:
        return self._network.dial(order)

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        return None

    async def answer(self, leg: LegOrder) -> None:
        self._network.answer(leg.carrier_call_id)

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        self._network.hang_up(leg.carrier_call_id)

    async def perform(self, leg: LegOrder, order: Perform) -> None:
        match order.verb:
            case Say() | Listen() | Digits():
                self._network.put(leg.carrier_call_id, order.here.script, order.verb)
            case ConnectStream(number=number):
                url = self._links.stream_url(StreamTicket(order.call_id, number))
                self._network.open_stream(leg.carrier_call_id, number, url)
            case other:
                raise CarrierRefused(f"the mock carrier cannot {type(other).__name__}")

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        self._network.end_stream(leg.carrier_call_id, number)

    async def nudge(self, leg: LegOrder, step: StepRef) -> None:
        raise CarrierRefused("the mock carrier fetches no documents")

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        self._network.hang_up(leg.carrier_call_id)

    async def status(self, leg: LegOrder) -> LegStatus:
        """A line that this process does not know went down with the process that held it."""
        try:
            line = self._network.line(leg.carrier_call_id)
        except LineGone:
            if (reason := self._network.ended(leg.carrier_call_id)) is not None:
                return LegStatus(LegState.ENDED, reason=reason)
            return LegStatus(LegState.ENDED, reason=EndReason.ERROR, detail="mock line lost")
        return LegStatus(LegState.LIVE, answered=line.up)

    async def close(self) -> None:
        await self._network.close()
