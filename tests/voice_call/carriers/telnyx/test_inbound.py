"""Calls that come in: admitted, refused, given up; and who may tell us of them."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from openclaw_voice_call.errors import NotConfigured
from tests.emulators.faults import Repeat
from tests.emulators.telnyx import HangsUp, Order, Person
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


async def only_call(here: House) -> str:
    """The id of the call that has been taken up."""
    await here.rig.api.published("voicecall.call")
    [call] = await here.service.calls()
    return call["callId"]


@pytest.mark.scenario("F9", "F10", "F5", "F72", carrier="telnyx")
async def test_an_admitted_caller_is_answered_once_and_greeted(tmp_path: Path) -> None:
    caller = Person(["Is anybody there?"], hangs_up=HangsUp(after_hearing="You said:", delay=5.0))
    async with house(
        tmp_path, inboundPolicy="allowlist", allowFrom=[THEIRS], inboundGreeting="Good day!"
    ) as here:
        leg = here.telnyx.call_in(THEIRS, OURS, caller).control_id
        record = await here.rig.ended(await only_call(here))
        assert record["state"] == "hangup-user"
        assert record["direction"] == "inbound"
        assert (record["from"], record["to"]) == (THEIRS, OURS)
        assert transcript(record) == [
            ("bot", "Good day!"),
            ("user", "Is anybody there?"),
            ("bot", "You said: Is anybody there?"),
        ]
        assert len(here.commands("answer")) == 1
        assert here.telnyx.call(leg).reached == ["parked", "answered", "hangup"]


@pytest.mark.scenario("F9", "A7", carrier="telnyx")
async def test_an_offer_that_comes_three_times_is_one_call(tmp_path: Path) -> None:
    caller = Person(hangs_up=HangsUp(after_hearing="Hello!", delay=1.0))
    async with house(tmp_path, inboundPolicy="open") as here:
        here.telnyx.faults.webhooks.add(Repeat(times=2, at_once=True))
        here.telnyx.call_in(THEIRS, OURS, caller)
        record = await here.rig.ended(await only_call(here))
        await here.telnyx.wait_idle()
        assert len(await here.service.calls()) == 1
        assert len(here.commands("answer")) == 1
        assert caller.texts() == ["Hello! How can I help you?"]
        assert record["state"] == "hangup-user"


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "anonymous",
        "Restricted",
        "+99915550005678",
        "5550005678",
        f"sip:{THEIRS}@evil.test",
    ],
)
@pytest.mark.scenario("A1", carrier="telnyx")
async def test_callers_who_are_not_on_the_list_are_rejected_unanswered(
    tmp_path: Path, shown: str | None
) -> None:
    caller = Person(["Let me in."])
    async with house(tmp_path, inboundPolicy="allowlist", allowFrom=[THEIRS]) as here:
        leg = here.telnyx.call_in(shown, OURS, caller).control_id
        call = await here.telnyx.wait_for(leg, "hangup")
        assert call.cause == "call_rejected"
        assert call.answered_at is None
        assert here.rig.agents.asked == []
        assert await here.service.calls() == []
        await here.telnyx.wait_idle()


async def test_an_unknown_caller_hears_how_to_be_let_in(tmp_path: Path) -> None:
    caller = Person(["Hello?"])
    async with house(tmp_path, inboundPolicy="pairing") as here:
        leg = here.telnyx.call_in(THEIRS, OURS, caller).control_id
        heard = await caller.wait_heard("approve this code")
        await here.telnyx.wait_for(leg, "hangup")
        [waiting] = here.service.pairing.waiting()
        assert ", ".join(waiting.code) in heard.text
        assert here.rig.agents.asked == []
        assert not here.commands("transcription_start"), "a stranger is not listened to"


async def test_one_call_too_many_is_busy(tmp_path: Path) -> None:
    first, second = Person(), Person()
    async with house(tmp_path, inboundPolicy="open", maxConcurrentCalls=1) as here:
        await here.telnyx.wait_listening(here.telnyx.call_in(THEIRS, OURS, first).control_id)
        leg = here.telnyx.call_in("+15550009999", OURS, second).control_id
        assert (await here.telnyx.wait_for(leg, "hangup")).cause == "user_busy"
        assert len(await here.service.calls()) == 1


@pytest.mark.scenario("F22", carrier="telnyx")
async def test_a_caller_who_gives_up_frees_the_line(tmp_path: Path) -> None:
    impatient = Person(hangs_up=HangsUp(after_seconds=2.0))
    async with house(tmp_path, inboundPolicy="open", maxConcurrentCalls=1) as here:
        here.telnyx.hold_webhooks()
        leg = here.telnyx.call_in(THEIRS, OURS, impatient).control_id
        await here.telnyx.wait_for(leg, "hangup")
        here.telnyx.release_webhooks()
        record = await here.rig.ended(await only_call(here))
        assert record["state"] == "hangup-user"
        patient = Person()
        await here.telnyx.wait_listening(here.telnyx.call_in(THEIRS, OURS, patient).control_id)


@pytest.mark.scenario("F23", carrier="telnyx")
async def test_a_leg_that_others_placed_is_served_as_outbound(tmp_path: Path) -> None:
    callee = Person(["Who is it?"], hangs_up=HangsUp(after_hearing="You said:", delay=5.0))
    async with house(tmp_path, {THEIRS: callee}, inboundPolicy="disabled") as here:
        here.telnyx.place(Order("outgoing", OURS, THEIRS, "", ""))
        record = await here.rig.ended(await only_call(here))
        assert record["direction"] == "outbound"
        assert ("user", "Who is it?") in transcript(record)
        assert not here.commands("answer")


# --- who may tell us


async def status_of(here: House, headers: dict[str, str], content: bytes) -> int | None:
    return (await here.telnyx.post_raw(PUBLIC_URL, content, headers)).status


def incoming(event_id: str = "an-id") -> bytes:
    payload = {"call_control_id": "v3:x", "direction": "incoming", "from": THEIRS, "to": OURS}
    data = {"event_type": "call.initiated", "id": event_id, "payload": payload}
    return msgspec.json.encode({"data": data})


@pytest.mark.scenario("F98", "A4", carrier="telnyx")
async def test_only_fresh_and_signed_events_are_believed(tmp_path: Path) -> None:
    async with house(tmp_path, inboundPolicy="open") as here:
        content, now = incoming(), int(time.time())
        genuine = here.telnyx.sign(content)
        assert await status_of(here, {}, content) == 401
        assert await status_of(here, {**genuine, "telnyx-timestamp": ""}, content) == 401
        assert await status_of(here, genuine, content.replace(b"incoming", b"Incoming")) == 401
        assert await status_of(here, here.telnyx.sign(content, now - 600), content) == 401
        assert await status_of(here, here.telnyx.sign(content, now + 600), content) == 401
        assert await here.service.calls() == []
        assert here.commands() == []


@pytest.mark.scenario("A4", carrier="telnyx")
@pytest.mark.parametrize("policy", ["open", "disabled"])
async def test_without_a_public_key_nothing_starts(tmp_path: Path, policy: str) -> None:
    async with phone_company() as (company, section):
        telnyx = section["telnyx"]
        assert isinstance(telnyx, dict)
        del telnyx["publicKey"]
        with pytest.raises(NotConfigured, match=r"telnyx\.publicKey is required"):
            async with serve(tmp_path, company, {**section, "inboundPolicy": policy}):
                pass


async def test_a_public_key_that_is_none_is_named_at_start(tmp_path: Path) -> None:
    async with phone_company() as (company, section):
        telnyx = section["telnyx"]
        assert isinstance(telnyx, dict)
        telnyx["publicKey"] = "c2hvcnQ="
        with pytest.raises(NotConfigured, match=r"telnyx\.publicKey holds 5 bytes"):
            async with serve(tmp_path, company, section):
                pass


@pytest.mark.scenario("F99", carrier="telnyx")
async def test_unverified_events_still_count_once(tmp_path: Path) -> None:
    caller = Person()
    async with phone_company() as (telnyx, section):
        section["skipSignatureVerification"] = True
        section |= {"inboundPolicy": "open"}
        async with serve(tmp_path, telnyx, section) as here:
            leg = telnyx.call_in(THEIRS, OURS, caller).control_id
            await telnyx.wait_listening(leg)
            said = {
                "call_control_id": leg,
                "client_state": None,
                "transcription_data": {"transcript": "Open.", "is_final": True},
            }
            for _ in range(2):
                sent = await telnyx.post(
                    PUBLIC_URL, "call.transcription", said, event_id="once", headers={}
                )
                assert sent.status == 200
            await caller.wait_heard("You said: Open.")
            record = await here.view(await only_call(here))
            assert transcript(record).count(("user", "Open.")) == 1
