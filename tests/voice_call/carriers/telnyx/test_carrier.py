"""The carrier against the Telnyx emulator, without a call engine behind it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import pytest

from openclaw_voice_call.call.script import Digits, Listen, Say, StepRef, Verb
from openclaw_voice_call.call.types import CallId, CarrierCallId, Speaker
from openclaw_voice_call.carriers.telnyx import TelnyxCarrier, TelnyxSettings, TelnyxTimeouts
from openclaw_voice_call.carriers.telnyx.commands import sending_s
from openclaw_voice_call.errors import (
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
from openclaw_voice_call.interfaces.instruction import (
    DialOrder,
    LegOrder,
    LineSettings,
    Perform,
)
from openclaw_voice_call.interfaces.links import CallLinks, LinkKind, LinkTarget
from tests.emulators.faults import Fail, LoseAnswer
from tests.emulators.telnyx import (
    API_KEY,
    CONNECTION_ID,
    PUBLIC_KEY,
    Person,
    RestRequest,
    Settings,
    TelnyxEmulator,
)

OURS, THEIRS = "+15550001234", "+15550005678"
CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
SETTINGS = TelnyxSettings(API_KEY, CONNECTION_ID, PUBLIC_KEY)
NOWHERE = "http://127.0.0.1:9/voice/webhook"
"""No test here waits for an event, so they may go astray."""


@dataclass
class World:
    telnyx: TelnyxEmulator
    carrier: TelnyxCarrier

    async def answered(self) -> LegOrder:
        leg = await self.carrier.dial(order())
        await self.telnyx.wait_for(leg, "answered")
        return LegOrder(CALL, leg)

    def asked(self, operation: str) -> list[RestRequest]:
        return [each for each in self.telnyx.requests if each.operation == operation]


@asynccontextmanager
async def world(people: Mapping[str, Person] | None = None) -> AsyncGenerator[World]:
    settings = Settings(
        numbers=frozenset({OURS}),
        people=people or {THEIRS: Person(answers_after=0.0)},
        retries=0,
    )
    async with TelnyxEmulator.start(settings) as telnyx, aiohttp.ClientSession() as session:
        carrier = TelnyxCarrier(
            replace(SETTINGS, base_url=telnyx.base_url),
            links=CallLinks(NOWHERE),
            session=session,
            timeouts=TelnyxTimeouts(dial_s=0.5, other_s=0.5),
        )
        yield World(telnyx, carrier)


def order(to: str = THEIRS) -> DialOrder:
    return DialOrder(CALL, OURS, to, 30_000, 300_000, time.time(), StepRef(1, 0))


def perform(verb: Verb, script: int = 1, step: int = 0) -> Perform:
    here = StepRef(script, step)
    return Perform(CALL, verb, here, StepRef(script, step + 1), LineSettings())


def is_operation(name: str) -> Callable[[RestRequest], bool]:
    return lambda request: request.operation == name


UNKNOWN = LegOrder(CALL, CarrierCallId("v3:unknown"))
SAY = Say(1, "Hello.", Speaker.OPENING)


async def test_a_dial_gives_the_leg_and_a_second_one_the_same() -> None:
    async with world() as here:
        leg = await here.carrier.dial(order())
        assert await here.carrier.dial(order()) == leg
        assert len(here.telnyx.calls) == 1
        assert here.telnyx.violations == []


async def test_a_dial_whose_answers_are_lost_is_found() -> None:
    async with world() as here:
        here.telnyx.faults.rest.add(LoseAnswer(hang=True), when=is_operation("dial"))
        with pytest.raises(CarrierOutcomeUnknown):
            await here.carrier.dial(order())
        [call] = here.telnyx.calls
        assert await here.carrier.find(order()) == call.control_id
        here.telnyx.hang_up(call.control_id)
        assert await here.carrier.find(order()) is None


async def test_only_our_own_legs_are_found() -> None:
    async with world() as here:
        assert await here.carrier.find(order()) is None
        here.telnyx.call_in(THEIRS, OURS, Person())
        assert await here.carrier.find(order()) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"connection_id": "1"}, "connection_id"),
        ({"api_key": "wrong"}, "Authentication failed"),
    ],
)
async def test_a_wrong_account_is_refused(changed: Mapping[str, str], why: str) -> None:
    async with world() as here, aiohttp.ClientSession() as session:
        settings = replace(SETTINGS, base_url=here.telnyx.base_url, **changed)
        carrier = TelnyxCarrier(settings, links=CallLinks(NOWHERE), session=session)
        with pytest.raises(CarrierRefused, match=why):
            await carrier.dial(order())
        assert here.telnyx.calls == []


@pytest.mark.scenario("F54", carrier="telnyx")
async def test_what_becomes_of_a_leg_is_known() -> None:
    async with world() as here:
        leg = await here.answered()
        assert await here.carrier.status(leg) == LegStatus(LegState.LIVE)
        here.telnyx.hang_up(leg.carrier_call_id)
        assert (await here.carrier.status(leg)).state is LegState.ENDED
        assert (await here.carrier.status(UNKNOWN)).state is LegState.ENDED


async def test_hanging_up_twice_says_that_the_leg_is_gone() -> None:
    async with world() as here:
        leg = await here.answered()
        await here.carrier.hang_up(leg, answered=True)
        assert here.telnyx.call(leg.carrier_call_id).ended_by == "gateway"
        for gone in (leg, UNKNOWN):
            with pytest.raises(LineGone):
                await here.carrier.hang_up(gone, answered=True)
            with pytest.raises(LineGone):
                await here.carrier.perform(gone, perform(SAY))


async def test_a_verb_begun_twice_is_done_once() -> None:
    async with world() as here:
        leg = await here.answered()
        for _ in range(2):
            assert await here.carrier.perform(leg, perform(SAY)) is None
        for _ in range(2):
            assert await here.carrier.perform(leg, perform(Listen(1), 1, 1)) is None
        assert [each.ignored for each in here.asked("speak")] == [False, True]
        assert [each.ignored for each in here.asked("transcription_start")] == [False, True]
        assert here.telnyx.violations == []


async def test_a_listening_that_goes_on_is_named_anew() -> None:
    async with world() as here:
        leg = await here.answered()
        await here.carrier.perform(leg, perform(Listen(1)))
        await here.carrier.perform(leg, perform(Listen(2), 2))
        [update] = here.asked("client_state_update")
        call = here.telnyx.call(leg.carrier_call_id)
        assert call.client_state == update.body["client_state"]
        assert here.asked("transcription_start")[1].body["client_state"] == call.client_state


@pytest.mark.parametrize("trouble", [Fail(503, 10007), Fail(422, 10015)])
async def test_a_sentence_is_begun_whatever_becomes_of_the_listening(trouble: Fail) -> None:
    async with world() as here:
        leg = await here.answered()
        here.telnyx.faults.rest.add(trouble, when=is_operation("transcription_stop"))
        await here.carrier.perform(leg, perform(SAY, script=2))
        assert len(here.asked("transcription_stop")) == 1
        assert here.asked("speak")[0].status == 200


async def test_digits_are_over_after_the_time_that_they_take() -> None:
    async with world() as here:
        leg = await here.answered()
        took = await here.carrier.perform(leg, perform(Digits("12w#", "op")))
        assert took == sending_s("12w#")


async def test_answering_and_refusing_by_command() -> None:
    async with world() as here:
        first = here.telnyx.call_in(THEIRS, OURS, Person())
        await here.carrier.answer(LegOrder(CALL, CarrierCallId(first.control_id)))
        assert first.state == "answered"
        for reason, cause in (("busy", "user_busy"), ("rejected", "call_rejected")):
            call = here.telnyx.call_in(THEIRS, OURS, Person())
            await here.carrier.refuse(
                LegOrder(CallId("refused"), CarrierCallId(call.control_id)), reason
            )
            assert call.cause == cause


async def test_what_a_command_carrier_says_of_itself() -> None:
    async with world() as here:
        carrier = here.carrier
        assert carrier.name == "telnyx"
        assert not carrier.features.markup
        assert carrier.signature_headers() == ("telnyx-signature-ed25519",)
        with pytest.raises(NotSupported):
            await carrier.nudge(UNKNOWN, StepRef(1, 0))
        webhook = VerifiedWebhook(LinkTarget(LinkKind.BARE))
        assert carrier.reply(webhook, None) == WebhookReply(status=200, body=b"")
        await carrier.close()
        assert not here.telnyx.requests


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({}, []),
        ({"ring_timeout_ms": 30_500}, ["ringTimeoutMs 30500 is sent to Telnyx as 31 s"]),
        ({"ring_timeout_ms": 1000}, ["ringTimeoutMs 1000 is sent to Telnyx as 5 s"]),
        ({"max_duration_ms": 20_000}, ["maxDurationSeconds 20 is kept by this gateway"]),
        ({"max_duration_ms": 50_000}, []),
        ({"max_duration_ms": 15_000_000}, ["maxDurationSeconds 15000 is kept by this gateway"]),
    ],
)
async def test_what_is_rounded_or_bounded_is_said(
    changed: Mapping[str, int], lines: list[str]
) -> None:
    async with aiohttp.ClientSession() as session:
        carrier = TelnyxCarrier(
            replace(SETTINGS, **changed), links=CallLinks(NOWHERE), session=session
        )
        *said, silence = carrier.notices()
    assert len(said) == len(lines)
    assert all(notice.startswith(line) for notice, line in zip(said, lines, strict=True))
    assert silence.startswith("silenceTimeoutMs 800 is not sent to Telnyx")
