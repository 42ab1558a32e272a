"""Plivo as a carrier: it fetches documents, and is nudged to fetch them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import aiohttp

from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.documents import whole_seconds
from openclaw_voice_call.carriers.plivo.api import (
    CallDetail,
    LiveCall,
    PlivoApi,
    PlivoSettings,
    PlivoTimeouts,
)
from openclaw_voice_call.carriers.plivo.links import LinkSeal, PlivoLinks
from openclaw_voice_call.carriers.plivo.markup import CONTENT_TYPE, end_silence, render
from openclaw_voice_call.carriers.plivo.media import PlivoMedia
from openclaw_voice_call.carriers.plivo.signature import V2_HEADERS, V3_HEADERS
from openclaw_voice_call.carriers.plivo.webhook import (
    end_detail,
    end_reason,
    read_webhook,
    trust_webhook,
    verify_webhook,
)
from openclaw_voice_call.carriers.polly import polly_name
from openclaw_voice_call.errors import CarrierBusy, LineGone, NotSupported
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

TIME_LIMIT_GRACE_S: Final = 10
"""Plivo's `time_limit` only stops a call that we have lost: our own deadline, which counts from
when we hear of the answer and gives the reason, comes first."""
LONGEST_CALL_S: Final = 86_399
"""Plivo takes a longer limit for a day."""
CLOCK_SKEW_S: Final = 5.0
LOOKUP_WINDOW_S: Final = 60.0
"""A call that a dial placed began at most this long after the dial."""

_ACKNOWLEDGED: Final = WebhookReply(status=200)


class PlivoCarrier(Carrier):
    """Calls through one Plivo account. Keeps no call in memory."""

    def __init__(
        self,
        settings: PlivoSettings,
        *,
        links: CallLinks,
        session: aiohttp.ClientSession,
        timeouts: PlivoTimeouts | None = None,
    ) -> None:
        self._settings = settings
        self._links = PlivoLinks(links, settings.auth_token)
        self._seal = LinkSeal(settings.auth_token)
        self._api = PlivoApi(settings, session, timeouts=timeouts or PlivoTimeouts())

    @property
    def name(self) -> str:
        return "plivo"

    @property
    def features(self) -> CarrierFeatures:
        return CarrierFeatures(markup=True, long_poll_ms=10_000, refuses_unanswered=True)

    @property
    def media(self) -> MediaDialect:
        return PlivoMedia()

    def voice_name(self, voice: NativeVoice) -> str | None:
        name = polly_name(voice)
        return f"Polly.{name}" if name else None

    def notices(self) -> Sequence[str]:
        settings = self._settings
        ring_ms, silence_ms = settings.ring_timeout_ms, settings.end_silence_ms
        notices: list[str] = []
        if ring_ms != _ring_timeout(ring_ms) * 1000:
            notices.append(
                f"ringTimeoutMs {ring_ms} is sent to Plivo as {_ring_timeout(ring_ms)} s "
                "(whole seconds, at least 1)"
            )
        if silence_ms != end_silence(silence_ms) * 1000:
            notices.append(
                f"silenceTimeoutMs {silence_ms} is sent to Plivo as {end_silence(silence_ms)} s "
                "(whole seconds from 2 to 10)"
            )
        if whole_seconds(settings.max_duration_ms) + TIME_LIMIT_GRACE_S > LONGEST_CALL_S:
            notices.append(
                f"maxDurationSeconds {settings.max_duration_ms / 1000:g} is more than a day, "
                "after which Plivo ends every call"
            )
        return notices

    def signature_headers(self) -> Sequence[str]:
        return (*V3_HEADERS, *V2_HEADERS)

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        return verify_webhook(request, self._settings.auth_token, urls, self._seal)

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        return trust_webhook(request)

    def read(self, webhook: VerifiedWebhook) -> Reading:
        return read_webhook(webhook)

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        if instruction is None:
            return _ACKNOWLEDGED
        return WebhookReply(content_type=CONTENT_TYPE, body=render(instruction, self._links))

    async def dial(self, order: DialOrder) -> CarrierCallId:
        links, call = self._links, order.call_id
        body: Mapping[str, object] = {
            "from": _digits(order.from_number),
            "to": _digits(order.to_number),
            "answer_url": links.step(call, order.first),
            "answer_method": "POST",
            "ring_url": links.status(call),
            "ring_method": "POST",
            "hangup_url": links.status(call),
            "hangup_method": "POST",
            "fallback_url": links.fallback(call),
            "fallback_method": "POST",
            "ring_timeout": _ring_timeout(order.ring_timeout_ms),
            "time_limit": _time_limit(order.max_duration_ms),
        }
        return CarrierCallId(await self._api.create(body))

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        """The oldest call between the two numbers that the dial can have created, or None.

        Plivo lists queued and live calls by name only, so each is looked at.
        """
        for status in ("queued", "live"):
            fitting: list[tuple[str, str]] = []
            for uuid in await self._api.listed(status):
                try:
                    call = await self._api.current(uuid, status)
                except LineGone:
                    continue
                if _is_of(order, call):
                    # A call that is queued is known by its request until it is dialled.
                    name = call.request_uuid if status == "queued" else call.call_uuid
                    fitting.append((call.session_start or "", name or uuid))
            if fitting:
                return CarrierCallId(min(fitting)[1])
        return None

    async def nudge(self, leg: LegOrder, step: StepRef) -> None:
        try:
            await self._api.transfer(leg.carrier_call_id, self._links.step(leg.call_id, step))
        except LineGone as gone:
            # Plivo says the same of a call that is not up yet.
            if (await self.status(leg)).state is LegState.LIVE:
                raise CarrierBusy(str(gone), status=gone.status) from gone
            raise

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        name = leg.carrier_call_id
        # Before the first webhook a call has the name of its request only, and afterwards the two
        # may be the same; whether it is answered meanwhile is not known for certain.
        ways = (self._api.hang_up, self._api.cancel)
        first, second = ways if answered else ways[::-1]
        try:
            await first(name)
        except LineGone:
            await second(name)

    async def status(self, leg: LegOrder) -> LegStatus:
        """A call is over when it is neither live nor queued and has a record with its end."""
        name = leg.carrier_call_id
        for status in ("live", "queued"):
            try:
                call = await self._api.current(name, status)
            except LineGone:
                continue
            return LegStatus(LegState.LIVE, answered=call.call_status == "in-progress")
        try:
            detail = await self._api.detail(name)
        except LineGone:
            return LegStatus(LegState.UNKNOWN)
        return _ended(detail) if detail.end_time else LegStatus(LegState.UNKNOWN)

    async def answer(self, leg: LegOrder) -> None:
        raise NotSupported("Plivo calls are answered with a document, not by command")

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        raise NotSupported("Plivo calls are refused with a document, not by command")

    async def perform(self, leg: LegOrder, order: Perform) -> float | None:
        raise NotSupported("Plivo performs what its document says, not commands")

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        """Nothing to do: the document that comes next ends the stream."""

    async def close(self) -> None:
        """Nothing to release: the session belongs to whoever gave it."""


def _ring_timeout(ms: int) -> int:
    return max(whole_seconds(ms), 1)


def _time_limit(ms: int) -> int:
    return min(whole_seconds(ms) + TIME_LIMIT_GRACE_S, LONGEST_CALL_S)


def _digits(number: str) -> str:
    """Plivo writes E.164 without its plus."""
    return number.removeprefix("+")


def _is_of(order: DialOrder, call: LiveCall) -> bool:
    """Whether `call` can be the one that the dial has placed."""
    numbers = _digits(call.from_ or ""), _digits(call.to or "")
    if numbers != (_digits(order.from_number), _digits(order.to_number)):
        return False
    if call.direction not in (None, "outbound"):
        return False
    began = _epoch(call.session_start)
    late = CLOCK_SKEW_S + LOOKUP_WINDOW_S
    return began is None or -CLOCK_SKEW_S <= began - order.placed_at <= late


def _epoch(moment: str | None) -> float | None:
    """Epoch seconds of Plivo's UTC time; None where there is none that can be read."""
    try:
        return datetime.fromisoformat(moment or "").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _ended(detail: CallDetail) -> LegStatus:
    state = (detail.call_state or "").lower().replace("_", "-")
    code = str(detail.hangup_cause_code or "")
    reason = end_reason(
        code,
        "completed" if state == "answer" else state,
        answered=bool(detail.answer_time),
    )
    told = end_detail({"HangupCauseCode": code, "HangupCauseName": detail.hangup_cause_name or ""})
    return LegStatus(LegState.ENDED, reason=reason, detail=told or f"Plivo: {state or 'over'}")
