"""The carrier against the Twilio emulator: real requests, signed webhooks, people on the phone."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
import pytest
from aiohttp import web

from openclaw_voice_call.call.events import CallEvent, Heard, LineAnswered, LineEnded, LineRinging
from openclaw_voice_call.call.script import (
    Digits,
    HangUp,
    Listen,
    Say,
    StepRef,
    Verb,
    Wait,
)
from openclaw_voice_call.call.types import CallId, CarrierCallId, EndReason, Speaker
from openclaw_voice_call.carriers.twilio import TwilioCarrier, TwilioSettings, TwilioTimeouts
from openclaw_voice_call.errors import (
    CarrierBusy,
    CarrierOutcomeUnknown,
    CarrierRefused,
    LineGone,
    NotSupported,
)
from openclaw_voice_call.interfaces.carrier import (
    LegState,
    LegStatus,
    VerifiedWebhook,
    WebhookReply,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.instruction import (
    DialOrder,
    KeepAlive,
    LegOrder,
    LineSettings,
    Perform,
    Refuse,
)
from openclaw_voice_call.interfaces.links import CallLinks, LinkKind, LinkTarget
from tests.emulators.faults import Fail, LoseAnswer
from tests.emulators.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    HangsUp,
    Number,
    Person,
    RestRequest,
    Settings,
    TwilioEmulator,
)

OURS, THEIRS = "+15550001234", "+15550005678"
ORIGIN = "https://voice.example.org"
LINKS = CallLinks(f"{ORIGIN}/voice/webhook")
CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
FIRST = StepRef(1, 0)
LINE = LineSettings()
DOCUMENT = "#rc=5&rp=ct,rt,5xx"

RINGS = Person(answers_after=None)


@dataclass
class Gateway:
    """The least that answers Twilio: a fixed list of verbs, and a note of all that was told."""

    carrier: TwilioCarrier
    verbs: list[Verb] = field(default_factory=list[Verb])
    events: list[CallEvent] = field(default_factory=list[CallEvent])
    refuses: str | None = None

    async def handle(self, http: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = WebhookRequest(http.method, http.raw_path, headers, await http.read(), "::1")
        webhook = self.carrier.verify(request, [ORIGIN + http.raw_path], time.time())
        reading = self.carrier.read(webhook)
        self.events += [e.event for e in reading.envelopes if e.event is not None]
        reply = self._reply(webhook, reading.asks, reading.step)
        return web.Response(
            status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type}
        )

    def _reply(self, webhook: VerifiedWebhook, asks: bool, step: StepRef | None) -> WebhookReply:
        if not asks:
            return self.carrier.reply(webhook, None)
        if self.refuses is not None:
            return self.carrier.reply(webhook, Refuse(self.refuses))
        here = step or FIRST
        if webhook.target.kind is LinkKind.HEARD and isinstance(self.events[-1], Heard):
            here = StepRef(here.script, here.step + 1)
        following = StepRef(here.script, here.step + 1)
        if here.step >= len(self.verbs):
            return self.carrier.reply(webhook, KeepAlive(CALL, here, LINE))
        order = Perform(CALL, self.verbs[here.step], here, following, LINE)
        return self.carrier.reply(webhook, order)


@dataclass
class World:
    twilio: TwilioEmulator
    carrier: TwilioCarrier
    gateway: Gateway


@asynccontextmanager
async def world(
    people: Mapping[str, Person], verbs: list[Verb] | None = None
) -> AsyncGenerator[World]:
    numbers = {OURS: Number(voice_url=LINKS.base_url)}
    async with TwilioEmulator.start(Settings(numbers=numbers, people=people)) as twilio:
        async with aiohttp.ClientSession() as session:
            carrier = TwilioCarrier(
                TwilioSettings(ACCOUNT_SID, AUTH_TOKEN, base_url=twilio.base_url),
                links=LINKS,
                session=session,
                timeouts=TwilioTimeouts(create_s=0.5, other_s=0.5),
            )
            gateway = Gateway(carrier, verbs or [])
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", gateway.handle)
            runner = web.AppRunner(app, shutdown_timeout=0.2)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            twilio.origins[ORIGIN] = f"http://{host}:{port}"
            try:
                yield World(twilio, carrier, gateway)
            finally:
                await runner.cleanup()
        assert twilio.violations == []


def order(to: str = THEIRS, *, ring_ms: int = 500_000, duration_ms: int = 300_000) -> DialOrder:
    return DialOrder(CALL, OURS, to, ring_ms, duration_ms, time.time(), FIRST)


def leg(sid: str) -> LegOrder:
    return LegOrder(CALL, CarrierCallId(sid))


UNKNOWN_LEG = leg("CA" + "0" * 32)


def is_operation(
    name: Literal["create", "fetch", "list", "update"],
) -> Callable[[RestRequest], bool]:
    def matches(request: RestRequest) -> bool:
        return request.operation == name

    return matches


# --- placing


@pytest.mark.scenario("F91", carrier="twilio")
async def test_dialling_sends_everything_that_the_call_will_need() -> None:
    async with world({THEIRS: RINGS}) as here:
        sid = await here.carrier.dial(order(ring_ms=30_000))
        assert sid == here.twilio.calls[0].sid
        assert here.twilio.requests[0].fields == (
            ("To", THEIRS),
            ("From", OURS),
            ("Url", LINKS.step(CALL, FIRST) + DOCUMENT),
            ("Method", "POST"),
            ("FallbackUrl", LINKS.fallback(CALL) + DOCUMENT),
            ("FallbackMethod", "POST"),
            ("StatusCallback", LINKS.status(CALL) + DOCUMENT),
            ("StatusCallbackMethod", "POST"),
            ("StatusCallbackEvent", "initiated"),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "answered"),
            ("StatusCallbackEvent", "completed"),
            ("Timeout", "30"),
            ("TimeLimit", "310"),
        )


@pytest.mark.parametrize(
    ("ring_ms", "duration_ms", "timeout", "limit"),
    [
        (1, 1_000, "1", "60"),
        (20_001, 50_000, "21", "60"),
        (900_000, 50_001, "600", "61"),
    ],
)
async def test_times_are_rounded_up_and_bounded(
    ring_ms: int, duration_ms: int, timeout: str, limit: str
) -> None:
    async with world({THEIRS: RINGS}) as here:
        await here.carrier.dial(order(ring_ms=ring_ms, duration_ms=duration_ms))
        form = here.twilio.requests[0].form
        assert (form["Timeout"], form["TimeLimit"]) == (timeout, limit)


async def test_what_is_rounded_or_bounded_is_said() -> None:
    async with aiohttp.ClientSession() as session:

        def notices(ring_ms: int, duration_ms: int, silence_ms: int) -> list[str]:
            settings = TwilioSettings(
                ACCOUNT_SID,
                AUTH_TOKEN,
                ring_timeout_ms=ring_ms,
                max_duration_ms=duration_ms,
                end_silence_ms=silence_ms,
            )
            return list(TwilioCarrier(settings, links=LINKS, session=session).notices())

        assert notices(30_000, 300_000, 1000) == []
        ring, limit, silence = notices(700_000, 30_000, 800)
        assert "ringTimeoutMs 700000" in ring
        assert "600 s" in ring
        assert "maxDurationSeconds 30" in limit
        assert "60 s" in limit
        assert "silenceTimeoutMs 800" in silence
        assert "as 1 s" in silence


async def test_a_refused_dial_names_twilios_reason() -> None:
    async with world({}) as here:
        with pytest.raises(CarrierRefused, match="not a valid phone number") as refusal:
            await here.carrier.dial(order("+1"))
        assert refusal.value.vendor_code == "21211"
        assert here.twilio.calls == []


# --- looking up


async def test_a_call_whose_dial_lost_its_answer_is_found() -> None:
    async with world({THEIRS: RINGS}) as here:
        here.twilio.faults.rest.add(LoseAnswer(hang=True), when=is_operation("create"), times=1)
        placed = order()
        with pytest.raises(CarrierOutcomeUnknown):
            await here.carrier.dial(placed)
        assert len(here.twilio.calls) == 1
        assert await here.carrier.find(placed) == here.twilio.calls[0].sid


async def test_another_call_is_not_taken_for_ours() -> None:
    async with world({THEIRS: RINGS}) as here:
        placed = order()
        assert await here.carrier.find(placed) is None
        here.twilio.call_in(THEIRS, OURS, RINGS)
        await here.carrier.dial(order("+15550005679"))
        assert await here.carrier.find(placed) is None
        await here.carrier.dial(order())
        for seconds in (-3600.0, 3600.0):
            then = DialOrder(CALL, OURS, THEIRS, 1, 1, placed.placed_at + seconds, FIRST)
            assert await here.carrier.find(then) is None


async def test_of_several_calls_the_oldest_one_that_fits_is_ours() -> None:
    async with world({THEIRS: RINGS}) as here:
        placed = order()
        for _ in range(3):
            await here.carrier.dial(placed)
        assert (
            await here.carrier.find(placed)
            == min(
                here.twilio.calls, key=lambda call: (call.created.replace(microsecond=0), call.sid)
            ).sid
        )


# --- a call


@pytest.mark.scenario("F91", carrier="twilio")
async def test_an_outbound_call_from_dial_to_hang_up() -> None:
    person = Person(["I want a table", None])
    verbs: list[Verb] = [
        Say(1, "Hello & welcome.", Speaker.OPENING),
        Listen(1),
        Say(2, "One moment.", Speaker.AGENT),
        Digits("1,2#", "op"),
        Wait(2000),
        HangUp(EndReason.COMPLETED),
    ]
    async with world({THEIRS: person}, verbs) as here:
        sid = await here.carrier.dial(order())
        await here.twilio.wait_idle()

        assert person.texts() == ["Hello & welcome.", "One moment."]
        assert "1w2#" in "".join(item.text for item in person.heard if item.kind == "digits")
        told = here.gateway.events
        assert LineRinging(CarrierCallId(sid)) in told
        assert LineAnswered(CarrierCallId(sid)) in told
        assert Heard("I want a table", 1, confidence=0.93) in told
        assert LineEnded(EndReason.COMPLETED, None, CarrierCallId(sid)) in told
        assert await here.carrier.status(leg(sid)) == LegStatus(
            LegState.ENDED, reason=EndReason.COMPLETED, detail="Twilio: completed"
        )


async def test_a_silent_caller_is_listened_to_again() -> None:
    person = Person([None, "at last"])
    async with world({THEIRS: person}, [Listen(1), HangUp(EndReason.COMPLETED)]) as here:
        await here.carrier.dial(order())
        await here.twilio.wait_idle()
        assert Heard("at last", 1, confidence=0.93) in here.gateway.events


@pytest.mark.parametrize("reason", ["busy", "rejected"])
async def test_an_inbound_call_is_refused_without_an_answer(reason: str) -> None:
    async with world({}) as here:
        here.gateway.refuses = reason
        call = here.twilio.call_in(THEIRS, OURS, Person())
        await here.twilio.wait_idle()
        assert call.answered_at is None


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        (Person(outcome="busy"), EndReason.BUSY),
        (Person(outcome="failed"), EndReason.FAILED),
        (Person(answers_after=None), EndReason.NO_ANSWER),
        (Person(hangs_up=HangsUp(after_seconds=0.5)), EndReason.COMPLETED),
    ],
)
async def test_the_end_has_its_reason(person: Person, reason: EndReason) -> None:
    async with world({THEIRS: person}) as here:
        sid = await here.carrier.dial(order(ring_ms=30_000))
        await here.twilio.wait_idle()
        ended = [event for event in here.gateway.events if isinstance(event, LineEnded)]
        assert {event.reason for event in ended} == {reason}
        assert (await here.carrier.status(leg(sid))).reason is reason


# --- on a live call


async def test_a_nudge_interrupts_what_the_line_does() -> None:
    person = Person([])
    verbs: list[Verb] = [Wait(600_000), Say(1, "Now.", Speaker.OWNER), HangUp(EndReason.COMPLETED)]
    async with world({THEIRS: person}, verbs) as here:
        sid = await here.carrier.dial(order())
        await here.twilio.wait_for(sid, "in-progress")
        assert await here.carrier.status(leg(sid)) == LegStatus(LegState.LIVE, answered=True)
        await here.carrier.nudge(leg(sid), StepRef(1, 1))
        await here.twilio.wait_idle()
        assert person.texts() == ["Now."]


async def test_a_nudge_tells_too_early_from_too_late() -> None:
    async with world({THEIRS: RINGS}) as here:
        sid = await here.carrier.dial(order())
        await here.twilio.wait_for(sid, "ringing")
        assert await here.carrier.status(leg(sid)) == LegStatus(LegState.LIVE)
        with pytest.raises(CarrierBusy):
            await here.carrier.nudge(leg(sid), FIRST)
        await here.carrier.hang_up(leg(sid), answered=False)
        with pytest.raises(LineGone):
            await here.carrier.nudge(leg(sid), FIRST)
        with pytest.raises(LineGone):
            await here.carrier.nudge(UNKNOWN_LEG, FIRST)


@pytest.mark.parametrize("believed", [True, False])
@pytest.mark.parametrize(("person", "status"), [(RINGS, "ringing"), (Person([]), "in-progress")])
async def test_hanging_up_works_whatever_we_believe(
    person: Person, status: str, believed: bool
) -> None:
    async with world({THEIRS: person}, [Wait(600_000)]) as here:
        sid = await here.carrier.dial(order())
        await here.twilio.wait_for(sid, status)
        await here.carrier.hang_up(leg(sid), answered=believed)
        call = here.twilio.call(sid)
        assert call.over
        assert call.ended_by == "gateway"
        with pytest.raises(LineGone):
            await here.carrier.hang_up(leg(sid), answered=believed)


@pytest.mark.scenario("F64", carrier="twilio")
async def test_hanging_up_survives_a_failing_api() -> None:
    async with world({THEIRS: RINGS}) as here:
        sid = await here.carrier.dial(order())
        await here.twilio.wait_for(sid, "ringing")
        here.twilio.faults.rest.add(Fail(503), when=is_operation("update"), times=1)
        await here.carrier.hang_up(leg(sid), answered=False)
        assert here.twilio.call(sid).over


async def test_a_leg_that_twilio_does_not_have() -> None:
    async with world({}) as here:
        assert await here.carrier.status(UNKNOWN_LEG) == LegStatus(LegState.UNKNOWN)
        with pytest.raises(LineGone):
            await here.carrier.hang_up(UNKNOWN_LEG, answered=True)


async def test_what_a_markup_carrier_is_not_asked() -> None:
    async with world({}) as here:
        verb = Perform(CALL, Wait(1), FIRST, FIRST, LINE)
        for refused in (
            here.carrier.answer(UNKNOWN_LEG),
            here.carrier.refuse(UNKNOWN_LEG, "busy"),
            here.carrier.perform(UNKNOWN_LEG, verb),
        ):
            with pytest.raises(NotSupported):
                await refused
        assert here.carrier.features.markup
        assert here.carrier.signature_headers() == ("x-twilio-signature",)
        acknowledged = here.carrier.reply(VerifiedWebhook(LinkTarget(LinkKind.STATUS)), None)
        assert acknowledged == WebhookReply(status=204)
        await here.carrier.close()
        assert here.twilio.requests == type(here.twilio.requests)()
