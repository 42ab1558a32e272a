"""Calls in trouble: events that repeat, cross, come late or not at all; an API that fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import CarrierRefused
from tests.emulators.faults import (
    Delay,
    Disconnect,
    Drop,
    Fail,
    Hang,
    LoseAnswer,
    Postpone,
    Repeat,
)
from tests.emulators.telnyx import HangsUp, Person, RestRequest, Webhook
from tests.voice_call.carriers.telnyx.house import (
    OURS,
    PUBLIC_URL,
    THEIRS,
    House,
    house,
    phone_company,
    serve,
    transcript,
)

TALK = [
    ("bot", "Hello."),
    ("user", "First."),
    ("bot", "You said: First."),
    ("user", "Second."),
    ("bot", "You said: Second."),
]


def talker() -> Person:
    return Person(
        ["First.", "Second."], hangs_up=HangsUp(after_hearing="You said: Second.", delay=20.0)
    )


def is_event(*types: str) -> Callable[[Webhook], bool]:
    return lambda webhook: webhook.event_type in types


def is_operation(*names: str) -> Callable[[RestRequest], bool]:
    return lambda request: request.operation in names


async def talks(here: House, callee: Person) -> None:
    """The whole conversation is had, each sentence once."""
    call, _ = await here.call()
    record = await here.rig.ended(call, within_s=20.0)
    await here.telnyx.wait_idle()
    assert sorted(transcript(record)) == sorted(TALK)
    assert record["state"] == "hangup-user"
    assert callee.texts() == [text for who, text in TALK if who == "bot"]
    assert len(here.telnyx.calls) == 1


# --- events


@pytest.mark.parametrize(
    "fault",
    [Repeat(times=2), Repeat(times=2, at_once=True), Delay(0.05)],
    ids=["repeated", "repeated at once", "delayed"],
)
@pytest.mark.scenario("A7", "F66", carrier="telnyx")
async def test_repeated_and_late_events_change_nothing(
    tmp_path: Path, fault: Repeat | Delay
) -> None:
    callee = talker()
    async with house(tmp_path, {THEIRS: callee}) as here:
        here.telnyx.faults.webhooks.add(fault)
        await talks(here, callee)


@pytest.mark.parametrize(
    "crossing", ["call.initiated", "call.speak.started", "call.speak.ended", "call.transcription"]
)
@pytest.mark.scenario("F54", carrier="telnyx")
async def test_events_that_cross_are_put_in_order(tmp_path: Path, crossing: str) -> None:
    callee = talker()
    async with house(tmp_path, {THEIRS: callee}) as here:
        here.telnyx.faults.webhooks.add(Postpone(at_most=0.3), when=is_event(crossing))
        await talks(here, callee)


async def test_a_late_answer_does_not_revive_an_ended_call(tmp_path: Path) -> None:
    callee = Person(hangs_up=HangsUp(after_seconds=0.5))
    async with house(tmp_path, {THEIRS: callee}) as here:
        here.telnyx.faults.webhooks.add(Postpone(at_most=5.0), when=is_event("call.answered"))
        call, _ = await here.call()
        await here.rig.ended(call)
        await here.telnyx.wait_idle()
        assert "endedAt" in await here.view(call)
        assert callee.texts() == []


@pytest.mark.scenario("F12", carrier="telnyx")
async def test_words_without_a_state_find_their_call(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        await here.telnyx.post(
            PUBLIC_URL,
            "call.transcription",
            {
                "call_control_id": leg,
                "client_state": None,
                "transcription_data": {"transcript": "Can you hear me?", "is_final": True},
            },
        )
        await callee.wait_heard("You said: Can you hear me?")
        assert ("user", "Can you hear me?") in transcript(await here.view(call))


@pytest.mark.scenario("A7", "F47", carrier="telnyx")
async def test_a_replay_has_no_effect_in_its_turn_or_a_later_one(tmp_path: Path) -> None:
    callee = Person(["My code is one two three."])
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, leg = await here.call()
        await callee.wait_heard("You said:")
        [words] = [
            each for each in here.telnyx.deliveries if each.event_type == "call.transcription"
        ]
        await here.telnyx.until(lambda: here.did("transcription_start", 2), "the next turn")
        for _ in range(2):
            assert (await here.telnyx.replay(words)).status == 200
        # The same words under a new event id, still in the name of the turn that is over.
        late = await here.telnyx.post(PUBLIC_URL, "call.transcription", words.payload)
        assert late.status == 200
        await here.telnyx.wait_listening(leg)
        callee.speak("Next.")
        await callee.wait_heard("You said: Next.")
        spoken = [text for who, text in transcript(await here.view(call)) if who == "user"]
        assert spoken == ["My code is one two three.", "Next."]


@pytest.mark.scenario("F95", carrier="telnyx")
async def test_events_are_taken_in_when_they_come_again(tmp_path: Path) -> None:
    """The gateway is away for a while: what it missed is delivered when it is back."""
    callee = Person(["Still there?"])
    async with phone_company({THEIRS: callee}, retry_gap=0.2) as (telnyx, section):
        async with serve(tmp_path, telnyx, section) as here:
            call, leg = await here.call()
            await telnyx.wait_for(leg, "bridging")
            here.rig.api.restarting = True
        async with serve(tmp_path, telnyx, section) as here:
            await callee.wait_heard("You said: Still there?")
            assert callee.texts() == ["Hello.", "You said: Still there?"]
            assert (await here.view(call))["state"] in {"speaking", "listening", "active"}
            assert len(telnyx.calls) == 1, "nothing is dialled again"


@pytest.mark.scenario("F54", "F55", carrier="telnyx")
async def test_a_call_that_ended_meanwhile_is_known_to_be_over(tmp_path: Path) -> None:
    async with phone_company({THEIRS: Person()}) as (telnyx, section):
        async with serve(tmp_path, telnyx, section) as here:
            call, leg = await here.call()
            await telnyx.wait_listening(leg)
            here.rig.api.restarting = True
        telnyx.faults.webhooks.add(Drop())
        telnyx.hang_up(leg)
        async with serve(tmp_path, telnyx, section) as here:
            assert (await here.rig.ended(call))["state"] == "hangup-user"


# --- the API


@pytest.mark.parametrize(
    "fault",
    [
        Fail(503, 10007),
        Fail(500, 10000),
        Fail(429, 10011, headers=(("x-ratelimit-reset", "1"),)),
        LoseAnswer(),
        Disconnect(),
    ],
    ids=["503", "500", "429", "lost answer", "disconnect"],
)
@pytest.mark.parametrize("operation", ["dial", "speak", "transcription_start"])
@pytest.mark.scenario("F57", "F7", carrier="telnyx")
async def test_a_command_that_fails_once_has_its_effect_once(
    tmp_path: Path, fault: Fail | LoseAnswer | Disconnect, operation: str
) -> None:
    callee = talker()
    async with house(tmp_path, {THEIRS: callee}) as here:
        here.telnyx.faults.rest.add(fault, when=is_operation(operation), times=1)
        await talks(here, callee)
        first, second = here.commands(operation)[:2]
        assert first.body == second.body, "the repetition has the same command id"


@pytest.mark.scenario("F57", carrier="telnyx")
async def test_a_refused_dial_is_told_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        here.telnyx.faults.rest.add(
            Fail(403, 90041, "User channel limit exceeded D1"), when=is_operation("dial")
        )
        with pytest.raises(CarrierRefused, match="User channel limit exceeded"):
            await here.service.initiate(to=THEIRS, message="Hi.", mode=Mode.NOTIFY)
        [call] = await here.service.calls()
        assert call["state"] == "failed"
        assert len(here.commands()) == 1


async def test_a_dial_of_unknown_outcome_is_settled_by_its_first_event(tmp_path: Path) -> None:
    callee = talker()
    async with house(tmp_path, {THEIRS: callee}) as here:
        here.telnyx.faults.rest.add(LoseAnswer(), when=is_operation("dial"))
        await talks(here, callee)


async def test_a_dial_of_unknown_outcome_is_looked_up(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}, speed=1) as here:
        here.telnyx.hold_webhooks()
        here.telnyx.faults.rest.add(LoseAnswer(), when=is_operation("dial"))
        placed = await here.service.initiate(to=THEIRS, message="Hi.", mode=Mode.CONVERSATION)
        leg = (await here.telnyx.wait_call()).control_id
        record = await here.wait(placed.call_id, lambda seen: "providerCallId" in seen)
        assert record.get("providerCallId") == leg
        assert len(here.telnyx.calls) == 1
        assert here.commands("active_calls")


@pytest.mark.scenario("F64", carrier="telnyx")
async def test_hanging_up_is_tried_until_it_is_done(tmp_path: Path) -> None:
    async with house(tmp_path, {THEIRS: Person()}) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        here.telnyx.faults.rest.add(Fail(502), when=is_operation("hangup"), times=4)
        await here.service.end(call)
        await here.telnyx.wait_for(leg, "hangup", within=15.0)
        assert (await here.rig.ended(call))["state"] == "hangup-bot"
        assert len(here.commands("hangup")) == 5


async def test_a_leg_that_is_gone_is_noticed_by_the_next_command(tmp_path: Path) -> None:
    async with house(tmp_path, {THEIRS: Person()}) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        here.telnyx.faults.webhooks.add(Drop())
        here.telnyx.hang_up(leg)
        await here.service.speak(call, "Are you there?")
        assert (await here.rig.ended(call))["state"] == "hangup-user"


@pytest.mark.scenario("F7", carrier="telnyx")
async def test_a_voice_that_telnyx_refuses_is_replaced(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}) as here:
        here.telnyx.faults.rest.add(
            Fail(422, 90012, "Invalid voice"),
            when=lambda request: request.body.get("voice") not in (None, "female"),
        )
        await here.call()
        assert (await callee.wait_heard("Hello.")).voice == "female"


@pytest.mark.scenario("F7", carrier="telnyx")
async def test_a_sentence_that_telnyx_refuses_does_not_silence_the_call(tmp_path: Path) -> None:
    callee = Person(["Anybody?"])
    async with house(tmp_path, {THEIRS: callee}) as here:
        # Two voices, twice.
        here.telnyx.faults.rest.add(Fail(422, 10015), when=is_operation("speak"), times=4)
        await here.call()
        await callee.wait_heard("You said: Anybody?")
        assert callee.texts() == ["You said: Anybody?"]


# --- two seconds


async def test_events_are_acknowledged_in_time_while_the_api_hangs(tmp_path: Path) -> None:
    people = {f"+1555000{n:04}": Person(["Hello?"]) for n in range(20)}
    async with house(tmp_path, people, speed=10, maxConcurrentCalls=40) as here:
        here.telnyx.faults.rest.add(Hang(), when=is_operation("speak"))
        for number in people:
            await here.service.initiate(to=number, message="Hi.", mode=Mode.CONVERSATION)
            here.telnyx.call_in(number, OURS, Person())
        for call in here.telnyx.calls:
            if call.outgoing:
                await here.telnyx.wait_for(call.control_id, "answered")
        await here.telnyx.until(
            lambda: len(here.commands("speak")) == 20 and here.telnyx.deliveries[-1].status == 200,
            "every call waits for its voice",
        )
        assert all(each.attempt == 1 for each in here.telnyx.deliveries)
        slowest = max(each.answered_at - each.sent_at for each in here.telnyx.deliveries)
        assert slowest < 2.0
