"""Telnyx as a carrier: each verb is a command, its end comes as a webhook."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import aiohttp

from openclaw_voice_call.call.script import Digits, StepRef
from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.polly import polly_name
from openclaw_voice_call.carriers.telnyx import commands
from openclaw_voice_call.carriers.telnyx.api import (
    NO_STREAM,
    TRANSCRIBING,
    CallResource,
    TelnyxApi,
    TelnyxSettings,
    TelnyxTimeouts,
)
from openclaw_voice_call.carriers.telnyx.media import TelnyxMedia
from openclaw_voice_call.carriers.telnyx.signature import SIGNATURE_HEADER, parse_public_key
from openclaw_voice_call.carriers.telnyx.state import decode_state
from openclaw_voice_call.carriers.telnyx.webhook import (
    read_webhook,
    trust_webhook,
    verify_webhook,
)
from openclaw_voice_call.errors import CarrierError, CarrierRefused, LineGone, NotSupported
from openclaw_voice_call.interfaces.carrier import (
    Carrier,
    CarrierFeatures,
    LegState,
    LegStatus,
    Reading,
    VerifiedWebhook,
    WebhookReply,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.instruction import DialOrder, Instruction, LegOrder, Perform
from openclaw_voice_call.interfaces.links import CallLinks
from openclaw_voice_call.interfaces.media import MediaDialect
from openclaw_voice_call.interfaces.speech import NativeVoice

log = logging.getLogger(__name__)

_ACKNOWLEDGED: Final = WebhookReply(status=200)


class TelnyxCarrier(Carrier):
    """Calls through one Call Control application. Keeps no call in memory.

    Raises ValueError for a public key that is none.
    """

    def __init__(
        self,
        settings: TelnyxSettings,
        *,
        links: CallLinks,
        session: aiohttp.ClientSession,
        timeouts: TelnyxTimeouts | None = None,
    ) -> None:
        self._settings = settings
        self._links = links
        self._key = None if not settings.public_key else parse_public_key(settings.public_key)
        self._api = TelnyxApi(settings, session, timeouts=timeouts or TelnyxTimeouts())

    @property
    def name(self) -> str:
        return "telnyx"

    @property
    def features(self) -> CarrierFeatures:
        return CarrierFeatures(markup=False, refuses_unanswered=True)

    @property
    def media(self) -> MediaDialect:
        return TelnyxMedia()

    def voice_name(self, voice: NativeVoice) -> str | None:
        name = polly_name(voice)
        return f"AWS.Polly.{name}-Neural" if name else None

    def notices(self) -> Sequence[str]:
        settings = self._settings
        ring_ms, limit_ms = settings.ring_timeout_ms, settings.max_duration_ms
        ring_s, limit_s = commands.ring_timeout_s(ring_ms), commands.time_limit_s(limit_ms)
        notices: list[str] = []
        if ring_ms != ring_s * 1000:
            notices.append(
                f"ringTimeoutMs {ring_ms} is sent to Telnyx as {ring_s} s "
                "(whole seconds from 5 to 600)"
            )
        if not 0 <= limit_s * 1000 - limit_ms <= (commands.TIME_LIMIT_GRACE_S + 1) * 1000:
            notices.append(
                f"maxDurationSeconds {limit_ms / 1000:g} is kept by this gateway; the limit at "
                f"Telnyx, for calls that the gateway has lost, is {limit_s} s"
            )
        notices.append(
            f"silenceTimeoutMs {settings.end_silence_ms} is not sent to Telnyx: its recogniser "
            "decides when a sentence is over"
        )
        return notices

    def signature_headers(self) -> Sequence[str]:
        return (SIGNATURE_HEADER,)

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        return verify_webhook(request, self._key, now)

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        return trust_webhook(request)

    def read(self, webhook: VerifiedWebhook) -> Reading:
        return read_webhook(webhook)

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        return _ACKNOWLEDGED

    async def dial(self, order: DialOrder) -> CarrierCallId:
        body = commands.dial(
            order,
            connection_id=self._settings.connection_id,
            webhook_url=self._links.base_url,
        )
        return CarrierCallId((await self._api.dial(body)).call_control_id)

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        """The live leg whose client state names the call, or None."""
        for call in await self._api.active_calls():
            state = decode_state(call.client_state)
            if state is not None and state.call == order.call_id:
                return CarrierCallId(call.call_control_id)
        return None

    async def answer(self, leg: LegOrder) -> None:
        await self._api.command(leg.carrier_call_id, commands.answer(leg))

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        await self._api.command(leg.carrier_call_id, commands.reject(leg, reason))

    async def perform(self, leg: LegOrder, order: Perform) -> float | None:
        command = commands.perform(
            order, self._links, target_legs=self._settings.stream_target_legs
        )
        try:
            await self._api.command(leg.carrier_call_id, command)
        except CarrierRefused as exc:
            await self._perform_otherwise(leg, order, exc)
        await self._stop_listening(leg, order)
        return commands.sending_s(order.verb.digits) if isinstance(order.verb, Digits) else None

    async def nudge(self, leg: LegOrder, step: StepRef) -> None:
        raise NotSupported("Telnyx fetches no documents")

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        await self._api.command(leg.carrier_call_id, commands.hang_up())

    async def status(self, leg: LegOrder) -> LegStatus:
        try:
            call = await self._api.retrieve(leg.carrier_call_id)
        except LineGone as exc:
            # Leg ids come from Telnyx itself, so what it does not know is long over.
            return LegStatus(LegState.ENDED, detail=f"Telnyx knows no such call: {exc}")
        return _leg_status(call)

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        try:
            await self._api.command(leg.carrier_call_id, commands.end_stream(leg, number))
        except CarrierRefused as exc:
            if exc.vendor_code != NO_STREAM:
                raise

    async def close(self) -> None:
        """Nothing to release: the session belongs to whoever gave it."""

    async def _perform_otherwise(
        self, leg: LegOrder, order: Perform, refusal: CarrierRefused
    ) -> None:
        """What can be done for a verb whose command was refused. Raises the refusal, or another."""
        plain = commands.plain_speech(order)
        if refusal.vendor_code == TRANSCRIBING:
            # It listens already, in the name of an earlier command: what it hears from now on
            # must name this one.
            await self._api.remember(leg.carrier_call_id, commands.remember(order))
        elif plain is not None:
            log.warning("voice refused", extra={"vendorCode": refusal.vendor_code})
            await self._api.command(leg.carrier_call_id, plain)
        else:
            raise refusal

    async def _stop_listening(self, leg: LegOrder, order: Perform) -> None:
        """The line is speaking by now, whatever becomes of this."""
        stop = commands.stop_listening(order)
        if stop is None:
            return
        try:
            await self._api.command(leg.carrier_call_id, stop, repeats=0)
        except LineGone:
            raise
        except CarrierError as exc:
            # Refused when nothing was listening. What is heard while we speak is dropped anyway.
            log.debug("listening was not stopped", extra={"vendorCode": exc.vendor_code})


def _leg_status(call: CallResource) -> LegStatus:
    """`is_alive` is false for a leg that is about to be dialled, too; that one has no times."""
    if call.is_alive:
        return LegStatus(LegState.LIVE)
    if call.start_time or call.end_time:
        return LegStatus(LegState.ENDED, detail="Telnyx: not alive any more")
    return LegStatus(LegState.UNKNOWN)
