"""The carrier's requests against the Plivo emulator, whose calls are in every state."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from openclaw_voice_call.call.script import StepRef, Wait
from openclaw_voice_call.call.types import CallId, CarrierCallId, EndReason
from openclaw_voice_call.carriers.plivo import PlivoCarrier, PlivoSettings, PlivoTimeouts
from openclaw_voice_call.carriers.plivo.links import PlivoLinks
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
)
from openclaw_voice_call.interfaces.instruction import DialOrder, LegOrder, LineSettings, Perform
from openclaw_voice_call.interfaces.links import CallLinks, LinkKind, LinkTarget
from tests.emulators.faults import Fail, LoseAnswer
from tests.emulators.plivo import (
    AUTH_ID,
    AUTH_TOKEN,
    HangsUp,
    Number,
    Person,
    PlivoEmulator,
    RestRequest,
    Settings,
)

OURS, THEIRS = "+15550001234", "+15550005678"
ORIGIN = "https://voice.example.org"
LINKS = CallLinks(f"{ORIGIN}/voice/webhook")
SEALED = PlivoLinks(LINKS, AUTH_TOKEN)
CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
FIRST = StepRef(1, 0)
HOLD = '<Response><Wait length="600"/></Response>'


def rings() -> Person:
    return Person(answers_after=None)


@dataclass
class World:
    plivo: PlivoEmulator
    carrier: PlivoCarrier


@asynccontextmanager
async def world(
    people: Mapping[str, Person],
    *,
    queue_seconds: float = 0.2,
    other_names: bool = False,
) -> AsyncGenerator[World]:
    """Calls that are answered stay up in silence."""

    async def hold(_: web.Request) -> web.Response:
        return web.Response(text=HOLD, content_type="application/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hold)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    settings = Settings(
        numbers={OURS: Number(LINKS.base_url)},
        people=people,
        origins={ORIGIN: f"http://{host}:{port}"},
        queue_seconds=queue_seconds,
        requests_have_other_names=other_names,
    )
    try:
        async with PlivoEmulator.start(settings) as plivo, aiohttp.ClientSession() as session:
            carrier = PlivoCarrier(
                PlivoSettings(AUTH_ID, AUTH_TOKEN, base_url=plivo.base_url),
                links=LINKS,
                session=session,
                timeouts=PlivoTimeouts(create_s=0.5, other_s=0.5),
            )
            yield World(plivo, carrier)
            assert plivo.violations == []
    finally:
        await runner.cleanup()


def order(to: str = THEIRS, *, ring_ms: int = 500_000, duration_ms: int = 300_000) -> DialOrder:
    return DialOrder(CALL, OURS, to, ring_ms, duration_ms, time.time(), FIRST)


def leg(name: str) -> LegOrder:
    return LegOrder(CALL, CarrierCallId(name))


UNKNOWN_LEG = leg("00000000-58b6-11e1-b8b7-a5bd0e4e126f")


def operation(name: str) -> Callable[[RestRequest], bool]:
    return lambda request: request.operation == name


# --- placing


@pytest.mark.scenario("F91", carrier="plivo")
async def test_dialling_sends_everything_that_the_call_will_need() -> None:
    async with world({THEIRS: rings()}) as here:
        name = await here.carrier.dial(order(ring_ms=30_000))
        assert name == here.plivo.calls[0].request_uuid
        assert here.plivo.requests[0].body == {
            "from": "15550001234",
            "to": "15550005678",
            "answer_url": SEALED.step(CALL, FIRST),
            "answer_method": "POST",
            "ring_url": SEALED.status(CALL),
            "ring_method": "POST",
            "hangup_url": SEALED.status(CALL),
            "hangup_method": "POST",
            "fallback_url": SEALED.fallback(CALL),
            "fallback_method": "POST",
            "ring_timeout": 30,
            "time_limit": 310,
        }


@pytest.mark.parametrize(
    ("ring_ms", "duration_ms", "timeout", "limit"),
    [(0, 1_000, 1, 11), (20_001, 50_001, 21, 61), (1, 100_000_000, 1, 86_399)],
)
async def test_times_are_rounded_up_and_bounded(
    ring_ms: int, duration_ms: int, timeout: int, limit: int
) -> None:
    async with world({THEIRS: rings()}) as here:
        await here.carrier.dial(order(ring_ms=ring_ms, duration_ms=duration_ms))
        body = here.plivo.requests[0].body
        assert (body["ring_timeout"], body["time_limit"]) == (timeout, limit)


async def test_what_is_rounded_or_bounded_is_said() -> None:
    async with aiohttp.ClientSession() as session:

        def notices(ring_ms: int, duration_ms: int, silence_ms: int) -> list[str]:
            settings = PlivoSettings(
                AUTH_ID,
                AUTH_TOKEN,
                ring_timeout_ms=ring_ms,
                max_duration_ms=duration_ms,
                end_silence_ms=silence_ms,
            )
            return list(PlivoCarrier(settings, links=LINKS, session=session).notices())

        assert notices(30_000, 300_000, 2000) == []
        ring, silence, limit = notices(1_500, 90_000_000, 800)
        assert "ringTimeoutMs 1500 is sent to Plivo as 2 s" in ring
        assert "silenceTimeoutMs 800 is sent to Plivo as 2 s" in silence
        assert "maxDurationSeconds 90000" in limit


async def test_a_refused_dial_names_plivos_reason() -> None:
    async with world({}) as here:
        with pytest.raises(CarrierRefused, match="not a valid phone number"):
            await here.carrier.dial(order("+1"))
        assert here.plivo.calls == []


# --- looking up


@pytest.mark.parametrize("queue_seconds", [0.0, 600.0])
@pytest.mark.parametrize("other_names", [False, True])
async def test_a_call_whose_dial_lost_its_answer_is_found(
    queue_seconds: float, other_names: bool
) -> None:
    async with world(
        {THEIRS: rings()}, queue_seconds=queue_seconds, other_names=other_names
    ) as here:
        here.plivo.faults.rest.add(LoseAnswer(hang=True), when=operation("create"), times=1)
        placed = order()
        with pytest.raises(CarrierOutcomeUnknown):
            await here.carrier.dial(placed)
        [call] = here.plivo.calls
        if queue_seconds:
            assert await here.carrier.find(placed) == call.request_uuid
        else:
            await here.plivo.wait_for(call.uuid, "ringing")
            assert await here.carrier.find(placed) == call.uuid
        # By whichever name it was found, it can be taken back.
        found = await here.carrier.find(placed)
        assert found is not None
        await here.carrier.hang_up(leg(found), answered=False)
        assert call.over


async def test_another_call_is_not_taken_for_ours() -> None:
    async with world({THEIRS: rings()}) as here:
        placed = order()
        assert await here.carrier.find(placed) is None
        here.plivo.call_in(THEIRS, OURS, rings())
        await here.carrier.dial(order("+15550005679"))
        assert await here.carrier.find(placed) is None
        uuid = await here.carrier.dial(order())
        await here.plivo.wait_for(uuid, "ringing")
        for seconds in (-3600.0, 3600.0):
            then = DialOrder(CALL, OURS, THEIRS, 1, 1, placed.placed_at + seconds, FIRST)
            assert await here.carrier.find(then) is None
        assert await here.carrier.find(placed) == uuid


async def test_of_several_calls_the_oldest_one_is_ours() -> None:
    async with world({THEIRS: rings()}, queue_seconds=0.0) as here:
        placed = order()
        names = [await here.carrier.dial(placed) for _ in range(3)]
        for name in names:
            await here.plivo.wait_for(name, "ringing")
        assert await here.carrier.find(placed) == names[0]


# --- on a live call


async def test_a_nudge_interrupts_what_the_line_does() -> None:
    async with world({THEIRS: Person()}) as here:
        name = await here.carrier.dial(order())
        await here.plivo.wait_for(name, "in-progress")
        assert await here.carrier.status(leg(name)) == LegStatus(LegState.LIVE, answered=True)
        await here.carrier.nudge(leg(name), StepRef(1, 1))
        url = SEALED.step(CALL, StepRef(1, 1)).partition("#")[0]
        await here.plivo.until(
            lambda: any(each.url == url for each in here.plivo.deliveries), "the step is fetched"
        )


async def test_a_nudge_tells_too_early_from_too_late() -> None:
    async with world({THEIRS: rings()}) as here:
        name = await here.carrier.dial(order())
        await here.plivo.wait_for(name, "ringing")
        assert await here.carrier.status(leg(name)) == LegStatus(LegState.LIVE)
        with pytest.raises(CarrierBusy):
            await here.carrier.nudge(leg(name), FIRST)
        await here.carrier.hang_up(leg(name), answered=False)
        with pytest.raises(LineGone):
            await here.carrier.nudge(leg(name), FIRST)
        with pytest.raises(LineGone):
            await here.carrier.nudge(UNKNOWN_LEG, FIRST)


@pytest.mark.parametrize("believed", [True, False])
@pytest.mark.parametrize("other_names", [True, False])
@pytest.mark.parametrize("status", ["queued", "ringing", "in-progress"])
@pytest.mark.scenario("F64", carrier="plivo")
async def test_hanging_up_works_whatever_we_believe(
    status: str, believed: bool, other_names: bool
) -> None:
    person = Person() if status == "in-progress" else rings()
    queued = 600.0 if status == "queued" else 0.0
    async with world({THEIRS: person}, queue_seconds=queued, other_names=other_names) as here:
        name = await here.carrier.dial(order())
        [call] = here.plivo.calls
        await here.plivo.wait_for(call.uuid, status)
        if status == "in-progress":
            # From the first webhook on the call is known by its own name.
            name = CarrierCallId(call.uuid)
        await here.carrier.hang_up(leg(name), answered=believed)
        assert call.over
        assert call.ended_by == "gateway"
        with pytest.raises(LineGone):
            await here.carrier.hang_up(leg(name), answered=believed)


@pytest.mark.scenario("F64", carrier="plivo")
async def test_hanging_up_survives_a_failing_api() -> None:
    async with world({THEIRS: rings()}) as here:
        name = await here.carrier.dial(order())
        await here.plivo.wait_for(name, "ringing")
        here.plivo.faults.rest.add(Fail(503), when=operation("cancel"), times=1)
        await here.carrier.hang_up(leg(name), answered=False)
        assert here.plivo.call(name).over


async def test_a_queued_call_is_alive() -> None:
    async with world({THEIRS: rings()}, queue_seconds=600, other_names=True) as here:
        name = await here.carrier.dial(order())
        assert await here.carrier.status(leg(name)) == LegStatus(LegState.LIVE)


@pytest.mark.parametrize(
    ("person", "reason", "detail"),
    [
        (Person(outcome="busy"), EndReason.BUSY, "Plivo 3010 Busy Line"),
        (Person(outcome="declines"), EndReason.BUSY, "Plivo 3020 Rejected"),
        (Person(outcome="failed"), EndReason.FAILED, "Plivo 2000 Invalid Destination Address"),
        (Person(answers_after=None), EndReason.NO_ANSWER, "Plivo 3000 No Answer"),
        (Person(hangs_up=HangsUp(after_seconds=0.5)), EndReason.COMPLETED, "Plivo: answer"),
    ],
    ids=lambda value: "",
)
async def test_a_record_tells_how_a_call_ended(
    person: Person, reason: EndReason, detail: str
) -> None:
    async with world({THEIRS: person}) as here:
        name = await here.carrier.dial(order(ring_ms=30_000))
        await here.plivo.wait_idle()
        assert await here.carrier.status(leg(name)) == LegStatus(
            LegState.ENDED, reason=reason, detail=detail
        )


async def test_a_leg_that_plivo_does_not_have() -> None:
    async with world({}) as here:
        assert await here.carrier.status(UNKNOWN_LEG) == LegStatus(LegState.UNKNOWN)
        with pytest.raises(LineGone):
            await here.carrier.hang_up(UNKNOWN_LEG, answered=True)


async def test_what_a_markup_carrier_is_not_asked() -> None:
    async with world({}) as here:
        verb = Perform(CALL, Wait(1), FIRST, FIRST, LineSettings())
        for refused in (
            here.carrier.answer(UNKNOWN_LEG),
            here.carrier.refuse(UNKNOWN_LEG, "busy"),
            here.carrier.perform(UNKNOWN_LEG, verb),
        ):
            with pytest.raises(NotSupported):
                await refused
        assert here.carrier.features.markup
        assert set(here.carrier.signature_headers()) == {
            "x-plivo-signature-v3",
            "x-plivo-signature-ma-v3",
            "x-plivo-signature-v2",
            "x-plivo-signature-ma-v2",
        }
        acknowledged = here.carrier.reply(VerifiedWebhook(LinkTarget(LinkKind.STATUS)), None)
        assert acknowledged == WebhookReply(status=200)
        await here.carrier.close()
        assert not here.plivo.requests
