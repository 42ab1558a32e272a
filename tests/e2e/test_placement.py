"""Placing a call when something goes wrong: the disk, the carrier, the callee."""

import asyncio
from time import monotonic

import pytest

from openclaw.errors import RpcFailed
from tests.e2e.conftest import CALLEE, OUR_NUMBER, Setup, StartSetup
from tests.e2e.gateway import free_port
from tests.emulators.faults import Drop, Fail, Hang, LoseAnswer
from tests.emulators.twilio import HangsUp, Person, RestRequest

ONE = {"maxConcurrentCalls": 1}
"""One place, so that a call that was not cleared away blocks the next."""


def creates(asked: RestRequest) -> bool:
    return asked.operation == "create"


def ends(asked: RestRequest) -> bool:
    return asked.operation == "update" and "Status" in asked.form


async def the_next_call_works(phone: Setup, person: Person) -> None:
    call = await phone.gateway.initiate(CALLEE, "Does it work now?", mode="notify")
    await person.wait_heard("Does it work now?")
    await phone.gateway.wait_state(call, "completed", within=5)


@pytest.mark.scenario("F56", carrier="twilio")
async def test_without_a_journal_no_call_is_placed(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(ONE, people={CALLEE: callee})
    phone.gateway.limit_files(1)
    for _ in range(2):
        with pytest.raises(RpcFailed) as refused:
            await phone.gateway.initiate(CALLEE, "Hello.")
        assert refused.value.code == "UNAVAILABLE"
        assert refused.value.details["code"] == "journal_refused"
        assert refused.value.retryable
    assert list(phone.twilio.requests) == []
    phone.gateway.limit_files(None)
    await the_next_call_works(phone, callee)


@pytest.mark.scenario("F57", carrier="twilio")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fail(400, 21211, "The 'To' number is not a valid phone number."), "21211"),
        (Fail(401, 20003, "Authenticate"), "20003"),
        (Fail(403, 21215, "Account not authorized to call this number."), "21215"),
        (Fail(429, 20429, "Too many requests", (("Retry-After", "60"),)), "20429"),
    ],
    ids=["number", "credentials", "permission", "rate"],
)
async def test_a_refused_dial_fails_at_once_with_its_reason(
    setup: StartSetup, fault: Fail, words: str
) -> None:
    callee = Person()
    phone = await setup(ONE, people={CALLEE: callee})
    phone.twilio.faults.rest.add(fault, when=creates)
    began = monotonic()
    refused = await phone.gateway.voicecall("call", "--to", CALLEE, "--message", "Hello.")
    assert refused.code == 1
    assert words in refused.err
    assert "carrier_refused" in refused.err
    assert monotonic() - began < 5
    assert len(phone.rest("create")) == 1
    [record] = await phone.gateway.calls()
    assert record.state == "failed"
    assert words in str(record.metadata["endDetail"])
    phone.twilio.faults.rest.clear()
    await the_next_call_works(phone, callee)


@pytest.mark.scenario("F57", carrier="twilio")
async def test_a_rate_limit_that_is_short_is_waited_for(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(ONE, people={CALLEE: callee})
    phone.twilio.faults.rest.add(Fail(429, 20429, "Too many requests"), when=creates, times=1)
    await the_next_call_works(phone, callee)
    assert len(phone.rest("create")) == 2
    assert len(phone.twilio.calls) == 1


@pytest.mark.scenario("F57", carrier="twilio")
async def test_a_carrier_that_cannot_be_reached_fails_the_call(setup: StartSetup) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    account = {"accountSid": "AC" + "0" * 32, "authToken": "0" * 32, "baseUrl": nowhere}
    phone = await setup({**ONE, "twilio": account})
    for _ in range(2):
        with pytest.raises(RpcFailed, match="cannot be reached") as refused:
            await phone.gateway.initiate(CALLEE, "Hello.")
        assert refused.value.code == "UNAVAILABLE"
    assert {view.state for view in await phone.gateway.calls()} == {"failed"}


@pytest.mark.scenario("F57", carrier="twilio")
async def test_a_call_whose_confirmation_was_lost_is_found_not_repeated(
    setup: StartSetup,
) -> None:
    callee = Person(["Yes?"], hangs_up=HangsUp(after_hearing="You said"))
    phone = await setup(ONE, people={CALLEE: callee})
    phone.twilio.faults.rest.add(LoseAnswer(), when=creates)
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    record = await phone.gateway.wait_state(call, "hangup-user")
    assert record.provider_call_id == phone.twilio.calls[0].sid
    assert callee.texts() == ["Hello.", "You said: Yes?"]
    assert len(phone.rest("create")) == 1


@pytest.mark.scenario("F57", carrier="twilio")
async def test_a_dial_without_an_answer_is_told_in_bounded_time(setup: StartSetup) -> None:
    """The carrier takes the order, answers nothing and does nothing."""
    phone = await setup({**ONE, "staleCallReaperSeconds": 9})
    phone.twilio.faults.rest.add(Hang(), when=creates)
    began = monotonic()
    placed = await phone.gateway.rpc("voicecall.initiate", to=CALLEE, message="Hello.")
    assert monotonic() - began < 9.5
    assert placed["pending"] is True
    call = str(placed["callId"])
    # No call of ours is there, so it is given up once it would have rung out.
    await phone.gateway.wait_state(call, "failed", within=5)
    assert len(phone.rest("create")) == 1
    assert phone.rest("list")


@pytest.mark.scenario("F52", carrier="twilio")
async def test_a_call_that_nobody_answers_ends_without_the_carriers_word(
    setup: StartSetup,
) -> None:
    callee = Person(answers_after=None)
    phone = await setup({**ONE, "staleCallReaperSeconds": 1}, people={CALLEE: callee}, speed=2)
    lost = phone.twilio.faults.webhooks.add(Drop())
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    record = await phone.gateway.wait_state(call, "no-answer", within=4)
    assert lost.hits > 0
    # It does not go on ringing either.
    await phone.twilio.wait_for(record.provider_call_id, "canceled")
    phone.twilio.faults.webhooks.clear()
    other = "+15550009876"
    answering = Person()
    phone.twilio.people[other] = answering
    await phone.gateway.initiate(other, "Hello.")
    await answering.wait_heard("Hello.")


@pytest.mark.scenario("F53", "F71", carrier="twilio")
async def test_only_its_longest_duration_ends_a_live_call(setup: StartSetup) -> None:
    """On hold for ever: nobody speaks, the line listens again and again."""
    callee = Person()
    phone = await setup(
        {**ONE, "staleCallReaperSeconds": 1, "ringTimeoutMs": 1000, "maxDurationSeconds": 4},
        people={CALLEE: callee},
        speed=10,
    )
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await phone.twilio.wait_for(phone.twilio.calls[0].sid, "in-progress")
    answered = monotonic()
    record = await phone.gateway.wait_state(call, "timeout", within=8)
    assert 3.5 < monotonic() - answered < 6
    ended = await phone.twilio.wait_for(record.provider_call_id, "completed")
    # By our request, or by what the line was told when it asked just then.
    assert ended.ended_by in ("gateway", "document")


@pytest.mark.scenario("F60", carrier="twilio")
async def test_a_call_that_ended_is_found_by_both_its_names(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee})
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, "The news.", mode="notify")
    ended = await gateway.wait_call(call, lambda view: view.ended_at > 0)
    assert ended.state == "completed"
    sid = phone.twilio.calls[0].sid
    await gateway.restart()
    for name in (call, sid):
        assert await gateway.status(name) == ended
        shown = await gateway.voicecall("status", "--call-id", name, "--json")
        assert (shown.json["callId"], shown.json["state"]) == (call, "completed")
        assert "callId" in str(
            await gateway.invoke_tool("voice_call", action="get_status", callId=name)
        )
        for method, params in (
            ("voicecall.speak", {"message": "Hello?"}),
            ("voicecall.continue", {"message": "Hello?"}),
            ("voicecall.end", {}),
        ):
            with pytest.raises(RpcFailed, match=r"call is not active \(last state=completed"):
                await gateway.rpc(method, callId=name, **params)
    assert await gateway.rpc("voicecall.status", callId="no-such-call") == {"found": False}


@pytest.mark.scenario("F64", carrier="twilio")
async def test_hanging_up_is_tried_until_it_works(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(ONE, people={CALLEE: callee})
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await phone.gateway.wait_state(call, "listening")
    phone.twilio.hold_webhooks()  # No webhook's answer may end the call instead.
    failing = phone.twilio.faults.rest.add(Fail(503), when=ends, times=3)
    assert await phone.gateway.end(call) == {"success": True}
    record = await phone.gateway.status(call)
    assert record.state == "hangup-bot"
    assert record.metadata["hangupPending"] is True
    with pytest.raises(RpcFailed, match="Maximum concurrent calls"):
        await phone.gateway.initiate("+15550009876", "Hello.")
    ended = await phone.gateway.wait_call(call, lambda view: view.ended_at > 0, within=12)
    assert failing.hits == 3
    assert ended.state == "hangup-bot"
    assert phone.twilio.call(record.provider_call_id).ended_by == "gateway"


@pytest.mark.scenario("F64", carrier="twilio")
async def test_a_hang_up_that_failed_is_not_forgotten_by_a_restart(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(ONE, people={CALLEE: callee})
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await phone.gateway.wait_state(call, "listening")
    phone.twilio.hold_webhooks()
    phone.twilio.faults.rest.add(Fail(503), when=ends)
    await phone.gateway.end(call)
    await phone.twilio.until(lambda: any(map(ends, phone.twilio.requests)), "a hang-up")
    await phone.gateway.kill()
    phone.twilio.faults.rest.clear()
    await phone.gateway.start()
    ended = await phone.gateway.wait_call(call, lambda view: view.ended_at > 0)
    assert ended.state == "hangup-bot"
    assert phone.twilio.calls[0].ended_by == "gateway"


async def test_the_longest_list_of_calls_is_one_call(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(ONE, people={CALLEE: callee})
    async with asyncio.TaskGroup() as group:
        placing = [group.create_task(_outcome(phone)) for _ in range(4)]
    outcomes = [task.result() for task in placing]
    assert sorted(outcomes) == ["Maximum concurrent calls (1) reached"] * 3 + ["placed"]
    assert len(phone.rest("create")) == 1
    assert phone.rest("create")[0].form["From"] == OUR_NUMBER


async def _outcome(phone: Setup) -> str:
    try:
        await phone.gateway.initiate(CALLEE, "Hello.")
    except RpcFailed as error:
        return error.message
    return "placed"
