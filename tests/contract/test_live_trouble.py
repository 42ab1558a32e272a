"""Live audio that goes wrong, over each company: nobody is left in silence, no line is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.call.facts import PathChanged, StreamUp
from tests.contract.bench import leaves_after, words
from tests.contract.live import live
from tests.contract.network import OTHERS, THEIRS
from tests.contract.networks import COMPANIES
from tests.emulators.faults import Drop
from tests.emulators.media import (
    ConnectTwice,
    NeverConnect,
    StartLate,
    StreamFault,
    Unconnectable,
)
from tests.emulators.people import Person, Reply

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)


@pytest.mark.scenario("F51")
async def test_a_line_that_is_gone_is_given_up_though_nobody_says_so(
    carrier: str, tmp_path: Path
) -> None:
    them = Person()
    async with live(carrier, tmp_path, {THEIRS: them}, maxConcurrentCalls=1) as here:
        here.network.spoil(Drop(), "ended")
        call = await here.call()
        await them.wait_heard("Hello.")
        here.network.leave(here.network.legs[-1].id)
        assert (await here.ended(call))["state"] == "hangup-user"
        here.network.behave()
        await here.call("Hello again.")
        await them.wait_heard("Hello again.")


@pytest.mark.scenario("F51")
async def test_a_stream_that_is_lost_is_replaced_and_the_talk_goes_on(
    carrier: str, tmp_path: Path
) -> None:
    them = Person([Reply("Are you there?", when="Hello.", after=2.5)])
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call()
        await them.wait_heard("Hello.")
        (await here.network.stream()).drop()
        await here.network.stream(nth=2)
        await them.wait_heard("You said: Are you there?")
        record = await here.wait_state(call, "listening")
        assert words(record, "bot") == ["Hello.", "You said: Are you there?"]
        assert them.texts().count("Hello.") == 1
        assert len(here.network.legs) == 1
        await here.service.end(call)
        await here.ended(call)


async def test_what_is_said_when_the_stream_is_lost_is_said_again(
    carrier: str, tmp_path: Path
) -> None:
    notice = "The meeting is moved to Thursday at four, in the large room."
    them = Person()
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call(notice)
        await them.wait_heard("meeting", complete=False)
        (await here.network.stream()).drop()
        await them.wait_heard("large room.")
        record = await here.wait_state(call, "listening")
        assert words(record, "bot") == [notice]
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F21")
async def test_the_next_call_has_its_stream_when_the_last_was_torn_down(
    carrier: str, tmp_path: Path
) -> None:
    them, others = Person(), Person()
    async with live(carrier, tmp_path, {THEIRS: them, OTHERS: others}) as here:
        here.network.spoil(Drop(), "ended")
        first = await here.call()
        await them.wait_heard("Hello.")
        leg = here.network.legs[-1].id
        (await here.network.stream(leg)).drop()
        here.network.leave(leg)
        await here.call("Good morning.", to=OTHERS)
        await others.wait_heard("Good morning.")
        assert (await here.network.stream()).state == "open"
        await here.ended(first)


@pytest.mark.scenario("F22")
async def test_a_caller_without_a_stream_does_not_keep_the_line(
    carrier: str, tmp_path: Path
) -> None:
    async with live(
        carrier,
        tmp_path,
        inboundPolicy="open",
        inboundGreeting="Good day!",
        maxConcurrentCalls=1,
    ) as here:
        here.network.spoil_streams(NeverConnect())
        here.network.spoil(Drop(), "ended")
        leg = here.network.ring_in(THEIRS, Person())
        call = await here.inbound()
        await here.network.until(lambda: here.network.leg(leg).answered, "an answer")
        here.network.leave(leg)
        await here.ended(call)
        here.network.behave()
        them = leaves_after("It is me.")
        here.network.ring_in(OTHERS, them)
        await them.wait_heard("You said: It is me.")
        assert them.texts()[0] == "Good day!"


@pytest.mark.scenario("F4")
async def test_without_a_key_for_recognition_the_company_hears_and_no_stream_is_asked_for(
    carrier: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live(
        carrier,
        tmp_path,
        inboundPolicy="open",
        inboundGreeting="Good day!",
        streaming={"enabled": True, "provider": "openai"},
    ) as here:
        assert "live audio is off" in caplog.text
        them = leaves_after("It is me.")
        here.network.ring_in(THEIRS, them)
        await them.wait_heard("You said: It is me.")
        assert them.texts() == ["Good day!", "You said: It is me."]
        assert here.network.media.streams == []


@pytest.mark.parametrize("fault", [NeverConnect(), Unconnectable(), StartLate(60.0)])
async def test_without_a_stream_the_company_speaks_and_hears(
    carrier: str, tmp_path: Path, fault: StreamFault
) -> None:
    them = leaves_after("Is it working?")
    streaming = {"enabled": True, "provider": "scripted", "preStartTimeoutMs": 500}
    async with live(carrier, tmp_path, {THEIRS: them}, streaming=streaming) as here:
        here.network.spoil_streams(fault)
        call = await here.call()
        record = await here.ended(call)
        assert them.texts() == ["Hello.", "You said: Is it working?"]
        assert words(record, "user") == ["Is it working?"]
        assert await here.wait_fact(call, PathChanged)


@pytest.mark.scenario("F19")
async def test_a_recogniser_that_refuses_leaves_hearing_to_the_company(
    carrier: str, tmp_path: Path
) -> None:
    them = leaves_after("Can you hear me?")
    streaming = {
        "enabled": True,
        "provider": "scripted",
        "providers": {"scripted": {"refuses": True}},
    }
    async with live(carrier, tmp_path, {THEIRS: them}, streaming=streaming) as here:
        call = await here.call()
        record = await here.ended(call)
        assert "You said: Can you hear me?" in them.texts()
        assert words(record, "user") == ["Can you hear me?"]


async def test_a_second_socket_with_the_same_pass_is_refused_and_the_first_goes_on(
    carrier: str, tmp_path: Path
) -> None:
    them = leaves_after("Who is it?")
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        here.network.spoil_streams(ConnectTwice(), times=1)
        call = await here.call()
        stream = await here.network.stream()
        await here.network.until(lambda: bool(stream.twins), "an answer to the second socket")
        [twin] = stream.twins
        assert twin.status in {403, 503} or twin.code == 1008
        record = await here.ended(call)
        assert them.texts() == ["Hello.", "You said: Who is it?"]
        assert record["state"] == "hangup-user"
        assert len(here.network.media.streams) == 1


@pytest.mark.parametrize("message", ["x" * 50_000_000, "{", '{"event":"media"}', b"\x00\xff"])
async def test_what_is_no_message_ends_the_socket_and_not_the_call(
    carrier: str, tmp_path: Path, message: str | bytes
) -> None:
    them = Person([Reply("Still here?", when="Hello.", after=2.5)])
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call()
        await them.wait_heard("Hello.")
        first = await here.network.stream()
        await first.send(message)
        await here.network.stream(nth=2)
        assert first.ended_by == "gateway"
        await them.wait_heard("You said: Still here?")
        await here.service.end(call)
        await here.ended(call)


async def test_a_start_that_comes_again_changes_nothing(carrier: str, tmp_path: Path) -> None:
    them = leaves_after("Once more?")
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call()
        await (await here.network.stream()).start_again()
        await here.ended(call)
        assert them.texts() == ["Hello.", "You said: Once more?"]
        history = await here.service.history(call)
        assert history is not None
        assert sum(isinstance(each.fact, StreamUp) for each in history[1]) == 1


async def test_a_line_that_carries_nothing_any_more_is_given_up(
    carrier: str, tmp_path: Path
) -> None:
    them = Person()
    async with live(carrier, tmp_path, {THEIRS: them}, speed=10.0) as here:
        call = await here.call()
        await them.wait_heard("Hello.")
        first = await here.network.stream()
        first.muted = True
        await first.ended()
        assert first.ended_by == "gateway"
        await here.network.stream(nth=2)
        await here.service.end(call)
        await here.ended(call)
