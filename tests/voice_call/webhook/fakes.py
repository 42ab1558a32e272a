"""A carrier that signs with an HMAC over URL and body, and a desk that remembers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence

from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.errors import SignatureError, WebhookMalformed
from openclaw_voice_call.interfaces.carrier import (
    CarrierFeatures,
    Envelope,
    LegStatus,
    Reading,
    VerifiedWebhook,
    WebhookReply,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.instruction import DialOrder, Instruction, LegOrder, Perform
from openclaw_voice_call.interfaces.links import LinkKind, LinkTarget
from openclaw_voice_call.interfaces.speech import NativeVoice

KEY = b"test key"
SIGNATURE = "x-test-signature"


def sign(url: str, body: bytes = b"") -> str:
    return hmac.new(KEY, url.encode() + body, hashlib.sha256).hexdigest()


class HmacCarrier:
    """Reads `{leg}` or `{leg} {occurrence}`; answers with the instruction's name."""

    name = "hmac"
    features = CarrierFeatures(markup=True)
    media = None

    def voice_name(self, voice: NativeVoice) -> str | None:
        return None

    def notices(self) -> Sequence[str]:
        return ()

    def signature_headers(self) -> Sequence[str]:
        return (SIGNATURE,)

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        given = (request.header(SIGNATURE) or "").encode("utf-8", "replace")
        for url in urls:
            if hmac.compare_digest(sign(url, request.body).encode(), given):
                return self.trust(request)
        raise SignatureError("wrong signature")

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        return VerifiedWebhook(LinkTarget(LinkKind.BARE), {"body": request.body.decode()})

    def read(self, webhook: VerifiedWebhook) -> Reading:
        leg, _, occurrence = webhook.params["body"].partition(" ")
        if not leg:
            raise WebhookMalformed("no leg")
        return Reading((Envelope(CarrierCallId(leg), occurrence=occurrence or None),), asks=True)

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        text = "ok" if instruction is None else type(instruction).__name__
        return WebhookReply(content_type="text/xml; charset=utf-8", body=text.encode())

    async def dial(self, order: DialOrder) -> CarrierCallId:
        raise NotImplementedError

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        raise NotImplementedError

    async def answer(self, leg: LegOrder) -> None:
        raise NotImplementedError

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        raise NotImplementedError

    async def perform(self, leg: LegOrder, order: Perform) -> None:
        raise NotImplementedError

    async def nudge(self, leg: LegOrder, step: StepRef) -> None:
        raise NotImplementedError

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        raise NotImplementedError

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        raise NotImplementedError

    async def status(self, leg: LegOrder) -> LegStatus:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Desk:
    """Takes in readings; each can be made to fail or to wait."""

    def __init__(self) -> None:
        self.received: list[Reading] = []
        self.failures: list[Exception] = []
        """Raised by the next `receive` calls, first to last."""
        self.gate = asyncio.Event()
        """While it is clear, `receive` is held."""
        self.gate.set()
        self.arrived = asyncio.Semaphore(0)

    async def receive(self, reading: Reading) -> Instruction | None:
        self.arrived.release()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.received.append(reading)
        return None
