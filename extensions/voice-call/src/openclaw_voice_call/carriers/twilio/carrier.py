"""Twilio as a carrier: it fetches documents, and is nudged to fetch them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp

from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.documents import whole_seconds
from openclaw_voice_call.carriers.polly import polly_name
from openclaw_voice_call.carriers.twilio.api import NOT_IN_PROGRESS, CallResource, TwilioApi
from openclaw_voice_call.carriers.twilio.markup import (
    CONTENT_TYPE,
    render,
    with_retries,
)
from openclaw_voice_call.carriers.twilio.media import TwilioMedia
from openclaw_voice_call.carriers.twilio.rest import TwilioSettings, TwilioTimeouts, rest_client
from openclaw_voice_call.carriers.twilio.signature import SIGNATURE_HEADER
from openclaw_voice_call.carriers.twilio.webhook import (
    END_REASONS,
    read_webhook,
    trust_webhook,
    verify_webhook,
)
from openclaw_voice_call.errors import CarrierBusy, CarrierRefused, LineGone, NotSupported
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

RING_TIMEOUT_S = (1, 600)
"""What Twilio takes for `Timeout`. It may ring 5 s longer than asked."""
TIME_LIMIT_MIN_S = 60
TIME_LIMIT_GRACE_S = 10
"""Twilio's `TimeLimit` only stops a call that we have lost: our own deadline, which counts from
when we hear of the answer and gives the reason, comes first."""
CLOCK_SKEW_S = 5.0
LOOKUP_WINDOW_S = 60.0
"""A call that a dial placed was created at most this long after the dial."""
LOOKUP_PAGE = 50

_EVENTS = ("initiated", "ringing", "answered", "completed")
_NO_DOCUMENT = WebhookReply(status=204)


class TwilioCarrier(Carrier):
    """Calls through one Twilio account. Keeps no call in memory."""

    def __init__(
        self,
        settings: TwilioSettings,
        *,
        links: CallLinks,
        session: aiohttp.ClientSession,
        timeouts: TwilioTimeouts | None = None,
    ) -> None:
        self._settings = settings
        self._links = links
        self._api = TwilioApi(rest_client(settings, session, timeouts=timeouts or TwilioTimeouts()))

    @property
    def name(self) -> str:
        return "twilio"

    @property
    def features(self) -> CarrierFeatures:
        return CarrierFeatures(markup=True, long_poll_ms=10_000, refuses_unanswered=True)

    @property
    def media(self) -> MediaDialect:
        return TwilioMedia()

    def voice_name(self, voice: NativeVoice) -> str | None:
        name = polly_name(voice)
        return f"Polly.{name}" if name else None

    def notices(self) -> Sequence[str]:
        settings = self._settings
        ring_ms, limit_ms = settings.ring_timeout_ms, settings.max_duration_ms
        silence_s = max(1, whole_seconds(settings.end_silence_ms))
        notices: list[str] = []
        if ring_ms != _ring_timeout(ring_ms) * 1000:
            notices.append(
                f"ringTimeoutMs {ring_ms} is sent to Twilio as {_ring_timeout(ring_ms)} s "
                "(whole seconds from 1 to 600)"
            )
        if whole_seconds(limit_ms) + TIME_LIMIT_GRACE_S < TIME_LIMIT_MIN_S:
            notices.append(
                f"maxDurationSeconds {limit_ms / 1000:g} is kept by this gateway; the limit at "
                f"Twilio, for calls that the gateway has lost, is {_time_limit(limit_ms)} s"
            )
        if settings.end_silence_ms != silence_s * 1000:
            notices.append(
                f"silenceTimeoutMs {settings.end_silence_ms} is sent to Twilio as {silence_s} s "
                "(whole seconds, at least 1)"
            )
        return notices

    def signature_headers(self) -> Sequence[str]:
        return (SIGNATURE_HEADER,)

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        return verify_webhook(request, self._settings.auth_token, urls)

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        return trust_webhook(request)

    def read(self, webhook: VerifiedWebhook) -> Reading:
        return read_webhook(webhook, self._settings.account_sid)

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        if instruction is None:
            return _NO_DOCUMENT
        return WebhookReply(content_type=CONTENT_TYPE, body=render(instruction, self._links))

    async def dial(self, order: DialOrder) -> CarrierCallId:
        links = self._links
        form = [
            ("To", order.to_number),
            ("From", order.from_number),
            ("Url", with_retries(links.step(order.call_id, order.first))),
            ("Method", "POST"),
            ("FallbackUrl", with_retries(links.fallback(order.call_id))),
            ("FallbackMethod", "POST"),
            ("StatusCallback", with_retries(links.status(order.call_id))),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in _EVENTS),
            ("Timeout", str(_ring_timeout(order.ring_timeout_ms))),
            ("TimeLimit", str(_time_limit(order.max_duration_ms))),
        ]
        return CarrierCallId((await self._api.create(form)).sid)

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        """The oldest call between the two numbers that the dial can have created, or None.

        Twilio's list filters by start time, which a call that still waits in its queue does not
        have: those are asked for by status.
        """
        since = datetime.fromtimestamp(order.placed_at - CLOCK_SKEW_S, UTC)
        # The filter counts in days, so midnight says what it does.
        day = since.replace(hour=0, minute=0, second=0, microsecond=0)
        numbers = (("To", order.to_number), ("From", order.from_number))
        page = ("PageSize", str(LOOKUP_PAGE))
        for narrowed in (("StartTime>", f"{day:%Y-%m-%dT%H:%M:%SZ}"), ("Status", "queued")):
            found = await self._api.search((*numbers, narrowed, page))
            fitting = [
                (created, call.sid)
                for call in found
                if (created := _created(call)) is not None
                and call.direction in (None, "outbound-api")
                and since <= created <= since + timedelta(seconds=CLOCK_SKEW_S + LOOKUP_WINDOW_S)
            ]
            if fitting:
                return CarrierCallId(min(fitting)[1])
        return None

    async def nudge(self, leg: LegOrder, step: StepRef) -> None:
        url = with_retries(self._links.step(leg.call_id, step))
        try:
            await self._api.redirect(leg.carrier_call_id, url)
        except CarrierRefused as exc:
            if exc.vendor_code != NOT_IN_PROGRESS:
                raise
            await self._explain(leg, exc)

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        sid = leg.carrier_call_id
        try:
            ended = await self._api.end(sid, "completed" if answered else "canceled")
            if answered or ended.status != "in-progress":
                return
        except CarrierRefused as exc:
            if exc.vendor_code != NOT_IN_PROGRESS:
                raise
        # The call is in the other state: the answer and our request have crossed.
        try:
            await self._api.end(sid, "canceled" if answered else "completed")
        except CarrierRefused as exc:
            if exc.vendor_code != NOT_IN_PROGRESS:
                raise
            await self._explain(leg, exc)

    async def status(self, leg: LegOrder) -> LegStatus:
        try:
            call = await self._api.fetch(leg.carrier_call_id)
        except LineGone:
            return LegStatus(LegState.UNKNOWN)
        reason = END_REASONS.get(call.status)
        if reason is not None:
            return LegStatus(LegState.ENDED, reason=reason, detail=f"Twilio: {call.status}")
        return LegStatus(LegState.LIVE, answered=call.status == "in-progress")

    async def _explain(self, leg: LegOrder, refusal: CarrierRefused) -> None:
        """Raise what code 21220 means here: the call is over, or it is not up yet.

        Raises LineGone or CarrierBusy, or what the question itself runs into.
        """
        kind = CarrierBusy if (await self.status(leg)).state is LegState.LIVE else LineGone
        raise kind(
            str(refusal), vendor_code=refusal.vendor_code, status=refusal.status
        ) from refusal

    async def answer(self, leg: LegOrder) -> None:
        raise NotSupported("Twilio calls are answered with a document, not by command")

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        raise NotSupported("Twilio calls are refused with a document, not by command")

    async def perform(self, leg: LegOrder, order: Perform) -> None:
        raise NotSupported("Twilio performs what its document says, not commands")

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        """Nothing to do: the document that comes next ends the stream."""

    async def close(self) -> None:
        """Nothing to release: the session belongs to whoever gave it."""


def _ring_timeout(ms: int) -> int:
    low, high = RING_TIMEOUT_S
    return min(max(whole_seconds(ms), low), high)


def _time_limit(ms: int) -> int:
    return max(whole_seconds(ms) + TIME_LIMIT_GRACE_S, TIME_LIMIT_MIN_S)


def _created(call: CallResource) -> datetime | None:
    try:
        moment = parsedate_to_datetime(call.date_created or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
