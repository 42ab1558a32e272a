"""Live audio with the whole program: a gateway process, its doors, and Twilio's media socket."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from openclaw_voice_call.audio import tone_code
from tests.e2e.conftest import CALLEE, PUBLIC_ORIGIN, STREAM_PATH, StartSetup
from tests.emulators.media import NeverConnect, Play
from tests.emulators.twilio import HangsUp, Person, Reply
from tests.emulators.twilio.media import TwilioLanguage

LIVE: Mapping[str, object] = {
    "streaming": {"enabled": True, "provider": "scripted", "maxLatenessMs": 0},
    "tts": {"provider": "scripted"},
}
ECHO = {"default": "You said {text}"}
SOCKET_ORIGIN = PUBLIC_ORIGIN.replace("https", "wss")


def leaver(says: str) -> Person:
    """Says this when greeted, and leaves after the answer."""
    return Person([says], hangs_up=HangsUp(after_hearing=f"You said {says}", delay=10.0))


@pytest.mark.scenario("F3", carrier="twilio")
async def test_whoever_places_a_call_the_gateway_has_its_stream(setup: StartSetup) -> None:
    callee = Person([Reply("Who is it?", when="Hello")])
    phone = await setup(LIVE, people={CALLEE: callee}, script=ECHO)
    gateway = phone.gateway

    async def by_command() -> None:
        words = ("--to", CALLEE, "--message", "Hello.", "--mode", "conversation")
        done = await gateway.voicecall("call", *words)
        assert done.code == 0, done.err

    async def by_rpc() -> None:
        await gateway.initiate(CALLEE, "Hello.")

    async def by_tool() -> None:
        body = await gateway.invoke_tool(
            "voice_call", action="initiate_call", to=CALLEE, message="Hello.", mode="conversation"
        )
        assert body["ok"] is True, body

    for place in (by_command, by_rpc, by_tool):
        callee.heard.clear()
        await place()
        await callee.wait_heard("You said Who is it?", within=20.0)
        leg = phone.twilio.calls[-1]
        assert [stream.state for stream in leg.streams] == ["open"]
        phone.twilio.hang_up(leg.sid)
    assert len(phone.twilio.media.streams) == 3


@pytest.mark.scenario("F54", carrier="twilio")
async def test_a_live_talk_goes_on_after_the_gateway_was_killed(setup: StartSetup) -> None:
    callee = Person([Reply("Are you back?", when="Hello.", after=1.0)])
    phone = await setup(LIVE, people={CALLEE: callee}, script=ECHO)
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await callee.wait_heard("Hello.")
    await phone.gateway.wait_state(call, "listening")
    phone.twilio.hold_webhooks()
    await phone.gateway.restart()
    phone.twilio.release_webhooks()
    await callee.wait_heard("You said Are you back?")
    assert [stream.ended_by for stream in phone.twilio.media.streams] == ["gateway", ""]
    assert callee.texts() == ["Hello.", "You said Are you back?"]
    assert len(phone.rest("create")) == 1
    await phone.gateway.end(call)


@pytest.mark.scenario("F1", carrier="twilio")
async def test_twilios_first_question_is_answered_with_a_stream_whatever_it_says_of_the_call(
    setup: StartSetup,
) -> None:
    callee = leaver("Good morning.")
    phone = await setup(LIVE, people={CALLEE: callee}, script=ECHO)
    phone.twilio.hold_webhooks()
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    [placed] = phone.rest("create")
    url = dict(placed.fields)["Url"].partition("#")[0]
    leg = await phone.twilio.wait_call(to=CALLEE)
    for status in ("queued", "initiated", "ringing", "in-progress"):
        asked = await phone.twilio.post(url, leg.common_fields(status))
        assert asked.status == 200
        assert f'<Stream url="{SOCKET_ORIGIN}{STREAM_PATH}/' in asked.body, (status, asked.body)
    phone.twilio.release_webhooks()
    await phone.gateway.wait_state(call, "hangup-user", within=20.0)
    assert callee.texts() == ["Hello.", "You said Good morning."]


@pytest.mark.scenario("F2", carrier="twilio")
async def test_a_stream_is_known_by_its_pass_in_the_path_or_in_a_parameter(
    setup: StartSetup,
) -> None:
    phone = await setup(LIVE, people={CALLEE: Person()}, script=ECHO)
    twilio = phone.twilio
    twilio.faults.streams.add(NeverConnect())
    await phone.gateway.initiate(CALLEE, "Hello.")
    await twilio.until(lambda: bool(twilio.media.streams), "the order of a stream")
    [ordered] = twilio.media.streams
    base = SOCKET_ORIGIN + STREAM_PATH
    genuine = ordered.order.url.removeprefix(f"{base}/")
    call_id, number, token = genuine.split("/")
    leg = twilio.calls[0]

    def opening(**parameters: str) -> list[str]:
        pairs = tuple(parameters.items())
        return list(TwilioLanguage("MZ1", leg.sid, leg.account_sid, pairs).opening())

    for forged in (
        f"{call_id}/{number}/{token[::-1]}",
        f"{call_id}/{int(number) + 1}/{token}",
        f"another-call/{number}/{token}",
        f"{call_id}/{number}",
    ):
        assert (await twilio.media.knock(f"{base}/{forged}")).status == 404, forged
        refused = await twilio.media.knock(base, opening(token=forged))
        assert (refused.code, refused.received) == (1008, []), forged
    for missing in (opening(), opening(password=genuine)):
        assert (await twilio.media.knock(f"{base}?token={genuine}", missing)).code == 1008

    # A proxy that knows but one path for streams: the parameter is enough.
    served = await twilio.media.knock(
        base, opening(token=genuine), enough=lambda message: '"mark"' in message
    )
    language = TwilioLanguage("MZ1", leg.sid, leg.account_sid, ())
    orders = [language.read(message) for message in served.received]
    greeting = b"".join(order.mulaw for order in orders if isinstance(order, Play))
    assert tone_code.decode(greeting) == "Hello."
    # Each stream opens once.
    assert (await twilio.media.knock(base, opening(token=genuine))).code == 1008
    assert (await twilio.media.knock(ordered.order.url)).status == 403


@pytest.mark.scenario("A14", carrier="twilio")
async def test_a_huge_first_frame_is_cut_off_and_the_stream_still_gets_in(
    setup: StartSetup,
) -> None:
    phone = await setup(LIVE, people={CALLEE: Person()}, script=ECHO)
    twilio = phone.twilio
    twilio.faults.streams.add(NeverConnect())
    await phone.gateway.initiate(CALLEE, "Hello.")
    await twilio.until(lambda: bool(twilio.media.streams), "the order of a stream")
    [ordered] = twilio.media.streams
    before = phone.gateway.memory_bytes()
    for url in (SOCKET_ORIGIN + STREAM_PATH, ordered.order.url):
        assert (await twilio.media.knock(url, ["x" * 50_000_000])).code == 1009
    assert phone.gateway.memory_bytes() - before < 10_000_000
    leg = twilio.calls[0]
    opening = TwilioLanguage("MZ1", leg.sid, leg.account_sid, ()).opening()
    served = await twilio.media.knock(ordered.order.url, opening, enough=lambda _: True)
    assert '"media"' in served.received[0]
