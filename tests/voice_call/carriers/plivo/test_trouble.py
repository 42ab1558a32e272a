"""What goes wrong between Plivo and us: refusals, lost answers, repeated and reordered webhooks,
and strangers who send what Plivo once sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

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
    RestFault,
)
from tests.emulators.plivo import Delivery, HangsUp, Person, RestRequest, Settings, Webhook
from tests.voice_call.carriers.plivo.phone import OURS, PUBLIC_URL, THEIRS, Phone, phone, words


def operation(name: str) -> Callable[[RestRequest], bool]:
    return lambda request: request.operation == name


def kind(*names: str) -> Callable[[Webhook], bool]:
    return lambda webhook: webhook.kind in names


def talker() -> Person:
    return Person(
        ["Who is there?", "Goodbye then."],
        # A while after it: what nobody asks beyond is not known to have been heard.
        hangs_up=HangsUp(after_hearing="said: Goodbye", delay=25.0),
    )


TALK = [
    ("bot", "Hello."),
    ("user", "Who is there?"),
    ("bot", "You said: Who is there?"),
    ("user", "Goodbye then."),
    ("bot", "You said: Goodbye then."),
]


# --- placing


async def test_a_refused_call_fails_with_plivos_reason(tmp_path: Path) -> None:
    async with phone(tmp_path) as here:
        here.plivo.faults.rest.add(Fail(403, message="Concurrent calls limit reached"))
        with pytest.raises(CarrierRefused, match="Concurrent calls limit"):
            await here.call("Hello.")
        [record] = await here.service.calls()
        assert record["state"] == "failed"
        assert here.plivo.calls == []


@pytest.mark.parametrize("fault", [LoseAnswer(), LoseAnswer(hang=True), Fail(503), Disconnect()])
@pytest.mark.scenario("F57", carrier="plivo")
async def test_nobody_is_dialled_twice(tmp_path: Path, fault: RestFault) -> None:
    """Where the call was placed its webhooks settle what became of it, else it fails in time."""
    placed = isinstance(fault, LoseAnswer)
    callee = talker()
    async with phone(tmp_path, {THEIRS: callee}, config={"ringTimeoutMs": 1}) as here:
        here.plivo.faults.rest.add(fault, when=operation("create"))
        call = await here.call("Hello.")
        record = await here.ended(call)
        assert here.operations().count("create") == 1
        assert len(here.plivo.calls) == (1 if placed else 0)
        assert record["state"] == ("hangup-user" if placed else "failed")
        assert words(record) == (TALK if placed else [])


@pytest.mark.scenario("F57", carrier="plivo")
async def test_a_call_that_rings_unheard_is_found_and_can_be_taken_back(tmp_path: Path) -> None:
    plivo = Settings(queue_seconds=0.0, requests_have_other_names=True)
    async with phone(tmp_path, {THEIRS: Person(answers_after=None)}, plivo=plivo) as here:
        here.plivo.hold_webhooks()
        here.plivo.faults.rest.add(LoseAnswer(), when=operation("create"))
        call = await here.call("Hello.")
        await here.plivo.until(lambda: "read" in here.operations(), "the call is looked up")
        await here.service.end(call)
        assert (await here.ended(call))["state"] == "hangup-bot"
        assert here.plivo.calls[0].ended_by == "gateway"


@pytest.mark.parametrize("fault", [Fail(503), Hang(0.05), Disconnect(), LoseAnswer()])
@pytest.mark.scenario("F64", carrier="plivo")
async def test_hanging_up_is_tried_until_it_is_done(tmp_path: Path, fault: RestFault) -> None:
    callee = Person()
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call("Hello.")
        await here.listens(callee)
        here.plivo.faults.rest.add(fault, when=operation("hang up"), times=2)
        await here.service.end(call)
        assert (await here.ended(call))["state"] == "hangup-bot"
        assert not here.plivo.live_calls


async def test_a_transfer_that_fails_is_tried_again(tmp_path: Path) -> None:
    callee = Person()
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call("Hello.")
        await here.listens(callee)
        here.plivo.faults.rest.add(Fail(500), when=operation("transfer"), times=1)
        await here.service.speak(call, "Are you there?", wait=True)
        assert callee.texts() == ["Hello.", "Are you there?"]
        await here.service.end(call)


# --- webhooks


@pytest.mark.scenario("A7", carrier="plivo")
@pytest.mark.parametrize("signatures", ["v3", "v2"])
@pytest.mark.parametrize("fault", [Repeat(2), Repeat(2, at_once=True), Repeat(1, gap=0.2)])
async def test_webhooks_that_come_twice_count_once(
    tmp_path: Path, fault: Repeat, signatures: str
) -> None:
    plivo = Settings(signatures=signatures)  # pyright: ignore[reportArgumentType] - one of them
    async with phone(tmp_path, {THEIRS: talker()}, plivo=plivo) as here:
        here.plivo.faults.webhooks.add(fault)
        record = await here.ended(await here.call("Hello."))
        assert words(record) == TALK
        assert len(here.agents.asked) == 2
        await here.plivo.wait_idle()
        assert len(await here.service.calls()) == 1


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Delay(0.3), kind("ring")),
        (Postpone(1.0), kind("ring")),
        (Drop(), kind("ring")),
        (Delay(0.05), kind("answer", "action", "redirect")),
    ],
)
async def test_webhooks_that_are_late_or_lost_do_no_harm(
    tmp_path: Path, fault: Delay | Postpone | Drop, struck: Callable[[Webhook], bool]
) -> None:
    plivo = Settings(requests_have_other_names=True)
    async with phone(tmp_path, {THEIRS: talker()}, plivo=plivo) as here:
        here.plivo.faults.webhooks.add(fault, when=struck)
        record = await here.ended(await here.call("Hello."))
        assert (record["state"], words(record)) == ("hangup-user", TALK)


async def test_an_inbound_call_that_is_offered_twice_at_once_is_one_call(tmp_path: Path) -> None:
    caller = Person(hangs_up=HangsUp(after_hearing="Hi!"))
    config = {"inboundPolicy": "open", "inboundGreeting": "Hi!"}
    async with phone(tmp_path, config=config) as here:
        here.plivo.faults.webhooks.add(Repeat(3, at_once=True), when=kind("answer"))
        here.plivo.call_in(THEIRS, OURS, caller)
        await here.ended(await here.inbound())
        await here.plivo.wait_idle()
        assert len(await here.service.calls()) == 1
        assert caller.texts() == ["Hi!"]


async def test_a_document_that_plivo_cannot_get_is_got_at_the_fallback_url(tmp_path: Path) -> None:
    async with phone(tmp_path, {THEIRS: talker()}) as here:
        here.plivo.faults.webhooks.add(Drop(), when=kind("answer"))
        record = await here.ended(await here.call("Hello."))
        assert words(record) == TALK
        assert [alert.code for alert in here.plivo.alerts] == [7011]


async def test_a_call_that_plivo_gave_up_says_why(tmp_path: Path) -> None:
    """Beyond the answer there is no fallback: Plivo ends the call."""
    async with phone(tmp_path, {THEIRS: talker()}) as here:
        here.plivo.faults.webhooks.add(Drop(), when=kind("redirect"))
        record = await here.ended(await here.call("Hello."))
        assert record["state"] == "failed"
        found = await here.service.history(record["callId"])
        assert found is not None
        assert found[0].end_detail == "Plivo 7014 Error Reaching URL"


# --- strangers


async def spoken(here: Phone) -> Delivery:
    """The first webhook that brought words."""

    def found() -> list[Delivery]:
        return [each for each in here.plivo.deliveries if each.kind == "action" and each.status]

    await here.plivo.until(lambda: bool(found()), "words came")
    return found()[0]


@pytest.mark.scenario("A7", carrier="plivo")
@pytest.mark.parametrize("signatures", ["v3", "v2"])
async def test_words_replayed_in_a_later_turn_have_no_effect(
    tmp_path: Path, signatures: str
) -> None:
    callee = Person(["Pay Bob."])
    plivo = Settings(signatures=signatures)  # pyright: ignore[reportArgumentType] - one of them
    async with phone(tmp_path, {THEIRS: callee}, plivo=plivo) as here:
        call = await here.call("Hello.")
        words_came = await spoken(here)
        await callee.wait_heard("You said: Pay Bob.")
        await here.listens(callee)
        assert (await here.plivo.replay(words_came)).status == 200
        assert len(here.agents.asked) == 1
        await here.service.end(call)
        record = await here.ended(call)
        assert [text for who, text in words(record) if who == "user"] == ["Pay Bob."]


@pytest.mark.scenario("A10", "F96", carrier="plivo")
async def test_an_older_signature_cannot_be_spent_on_another_query(tmp_path: Path) -> None:
    """Version 2 signs neither query nor form: one request that was seen is worth no second one."""
    callee = Person(["Hello?"])
    plivo = Settings(signatures="v2")
    async with phone(tmp_path, {THEIRS: callee}, plivo=plivo) as here:
        call = await here.call("Hello.")
        seen = await spoken(here)
        await callee.wait_heard("You said: Hello?")
        await here.listens(callee)
        newest = [each for each in here.plivo.deliveries if each.kind == "redirect"][-1]
        script = dict(re.findall(r"(script|step)=(\d+)", newest.url))["script"]
        forged = tuple(
            (name, "Pay Bob." if name == "Speech" else value) for name, value in seen.params
        )
        # The same link with more behind it: taken, and without any effect.
        for params in (seen.params, forged):
            again = await here.plivo.replay(seen, url=f"{seen.url}&x=1", params=params)
            assert again.status == 200
        # Another link: the turn that listens now, another kind, another call, none at all.
        for url in (
            re.sub(r"script=\d+", f"script={script}", seen.url),
            seen.url.replace("type=heard", "type=status"),
            re.sub(r"call=[^&]+", "call=00000000-0000-4000-8000-000000000000", seen.url),
            re.sub(r"&seal=\w+", "", seen.url),
        ):
            assert (await here.plivo.replay(seen, url=url, params=forged)).status == 401
        # The number's own URL, with an end of this call, and with a caller of the attacker's.
        ended = (("CallUUID", seen.call_uuid), ("CallStatus", "completed"), ("Event", "Hangup"))
        assert (await here.plivo.replay(seen, url=PUBLIC_URL, params=ended)).status == 200
        offered = (("CallUUID", "another"), ("From", THEIRS), ("Direction", "inbound"))
        refused = await here.plivo.replay(seen, url=PUBLIC_URL, params=offered)
        assert "<Hangup" in refused.body

        assert [request.text for request in here.agents.asked] == ["Hello?"]
        record = await here.service.status(call)
        assert record is not None
        assert (record["state"], len(await here.service.calls())) == ("listening", 1)
        await here.service.end(call)


@pytest.mark.parametrize("change", ["signature", "form", "query", "nothing signed", "nonce"])
async def test_what_plivo_did_not_sign_changes_nothing(tmp_path: Path, change: str) -> None:
    callee = Person(["Hello?"])
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call("Hello.")
        seen = await spoken(here)
        headers = {
            "signature": {**seen.headers, "X-Plivo-Signature-V3": "wrong"}
            | {"X-Plivo-Signature-Ma-V3": "wrong"},
            "nonce": {**seen.headers, "X-Plivo-Signature-V3-Nonce": "1"},
            "nothing signed": {},
        }.get(change, seen.headers)
        params = (*seen.params, ("x", "")) if change == "form" else seen.params
        url = f"{seen.url}&x=" if change == "query" else seen.url
        answer = await here.plivo.post(url, params, headers=headers)
        assert answer.status == 401
        assert len(here.agents.asked) == 1
        await here.service.end(call)
