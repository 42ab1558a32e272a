"""Which command does what a call asks for, checked against Telnyx's own description."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.script import (
    ConnectStream,
    Digits,
    Listen,
    Say,
    StepRef,
    Verb,
    Wait,
)
from openclaw_voice_call.call.types import CallId, CarrierCallId, Speaker
from openclaw_voice_call.carriers.telnyx import commands
from openclaw_voice_call.carriers.telnyx.commands import Command
from openclaw_voice_call.carriers.telnyx.state import ClientState, decode_state
from openclaw_voice_call.errors import CarrierRefused, NotSupported
from openclaw_voice_call.interfaces.instruction import (
    DialOrder,
    LegOrder,
    LineSettings,
    Perform,
)
from openclaw_voice_call.interfaces.links import CallLinks
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.interfaces.stream_links import StreamLinks
from tests.emulators.telnyx.spec import ACTIONS, CALLS, actions, check_body

CALL, OTHER = CallId("call-1"), CallId("call-2")
LEG = LegOrder(CALL, CarrierCallId("v3:leg"))
LINE = LineSettings()
STREAMS = StreamLinks("wss://v.example.org/voice/stream", b"k" * 32)
LINKS = CallLinks("https://v.example.org/hook", STREAMS)


def order(
    verb: Verb, script: int = 3, step: int = 0, call: CallId = CALL, line: LineSettings = LINE
) -> Perform:
    here = StepRef(script, step)
    return Perform(call, verb, here, StepRef(script, step + 1), line)


def say(text: str = "Hi.") -> Say:
    return Say(7, text, Speaker.AGENT)


def dial(ring_ms: int = 30_000, duration_ms: int = 300_000) -> Mapping[str, object]:
    numbers = ("+15550001234", "+15550005678")
    asked = DialOrder(CALL, *numbers, ring_ms, duration_ms, 0.0, StepRef(1, 0))
    return commands.dial(asked, connection_id="168", webhook_url="https://v.example.org/hook")


def without_names(body: Mapping[str, object]) -> dict[str, object]:
    return {k: v for k, v in body.items() if k not in ("client_state", "command_id")}


def fits(command: Command) -> bool:
    method = actions()[command.action].lower()
    return check_body(ACTIONS + command.action, method, command.body) == []


def test_a_dial_names_the_call_and_where_its_events_go() -> None:
    body = dial()
    assert check_body(CALLS, "post", body) == []
    assert without_names(body) == {
        "connection_id": "168",
        "from": "+15550001234",
        "to": "+15550005678",
        "timeout_secs": 30,
        "time_limit_secs": 310,
        "webhook_url": "https://v.example.org/hook",
        "webhook_url_method": "POST",
    }
    assert decode_state(str(body["client_state"])) == ClientState(CALL, "dial")


@pytest.mark.parametrize(
    ("ring_ms", "seconds"), [(1, 5), (5000, 5), (5001, 6), (30_000, 30), (900_000, 600)]
)
def test_the_ringing_time_is_rounded_up_and_bounded(ring_ms: int, seconds: int) -> None:
    assert dial(ring_ms=ring_ms)["timeout_secs"] == seconds


@pytest.mark.parametrize(
    ("duration_ms", "seconds"),
    [(1000, 60), (50_000, 60), (50_001, 61), (300_000, 310), (90_000_000, 14_000)],
)
def test_the_longest_duration_is_rounded_up_and_bounded(duration_ms: int, seconds: int) -> None:
    assert dial(duration_ms=duration_ms)["time_limit_secs"] == seconds


@pytest.mark.parametrize(
    ("verb", "action", "body"),
    [
        (
            say("Tea & <cake>"),
            "speak",
            {
                "payload": "Tea & <cake>",
                "payload_type": "text",
                "voice": "AWS.Polly.Joanna-Neural",
            },
        ),
        (
            Listen(4),
            "transcription_start",
            {
                "transcription_engine": "Google",
                "transcription_engine_config": {
                    "transcription_engine": "Google",
                    "language": "en",
                    "interim_results": False,
                },
                "transcription_tracks": "inbound",
            },
        ),
        (Digits("12,p#w*A", "op"), "send_dtmf", {"digits": "12ww#w*A", "duration_millis": 250}),
    ],
)
def test_the_command_of_each_verb(verb: Verb, action: str, body: Mapping[str, object]) -> None:
    command = commands.perform(order(verb), LINKS)
    assert command.action == action
    assert without_names(command.body) == body
    assert fits(command)


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        (say(), ClientState(CALL, "say", 3, 1, utterance=7)),
        (Listen(4), ClientState(CALL, "listen", 3, 1)),
        (Digits("1", "op"), ClientState(CALL, "digits", 3, 1)),
    ],
)
def test_the_line_remembers_what_it_was_told(verb: Verb, state: ClientState) -> None:
    told = order(verb, step=1)
    assert decode_state(str(commands.perform(told, LINKS).body["client_state"])) == state
    update = Command("client_state_update", commands.remember(told))
    assert fits(update)
    assert update.body["client_state"] == commands.perform(told, LINKS).body["client_state"]


def test_a_verb_without_a_command_is_refused() -> None:
    with pytest.raises(CarrierRefused, match="Wait"):
        commands.perform(order(Wait(100)), LINKS)


def test_live_audio_is_asked_for_both_ways_in_mu_law() -> None:
    command = commands.perform(order(ConnectStream(2), step=1), LINKS)
    assert command.action == "streaming_start"
    url = str(command.body["stream_url"])
    assert url.startswith("wss://v.example.org/voice/stream/call-1/2/")
    assert STREAMS.read(url.removeprefix(STREAMS.base_url)) == StreamTicket(CALL, 2)
    assert without_names(command.body) == {
        "stream_url": url,
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_sampling_rate": 8000,
        "stream_bidirectional_target_legs": "both",
    }
    state = decode_state(str(command.body["client_state"]))
    assert state == ClientState(CALL, "connectstream", 3, 1)


@pytest.mark.parametrize("legs", ["both", "self", "opposite"])
def test_who_hears_a_stream_is_a_setting(legs: str) -> None:
    command = commands.perform(order(ConnectStream(1)), LINKS, target_legs=legs)
    assert command.body["stream_bidirectional_target_legs"] == legs


def test_a_stream_is_opened_once_whatever_script_asks_for_it() -> None:
    ids = {
        commands.perform(order(ConnectStream(number), script, call=call), LINKS).body["command_id"]
        for number, script, call in ((1, 3, CALL), (1, 4, CALL), (2, 4, CALL), (1, 3, OTHER))
    }
    assert len(ids) == 3


def test_a_stream_is_ended_by_its_number() -> None:
    ends = [commands.end_stream(LEG, number) for number in (1, 1, 2)]
    assert all(end.action == "streaming_stop" for end in ends)
    assert ends[0] == ends[1] != ends[2]


def test_live_audio_that_is_switched_off_is_refused_by_name() -> None:
    with pytest.raises(NotSupported, match="Live audio"):
        commands.perform(order(ConnectStream(1)), CallLinks("https://v.example.org/hook"))


def test_a_text_that_is_too_long_is_refused_and_not_cut() -> None:
    assert fits(commands.perform(order(say("x" * 3000)), LINKS))
    with pytest.raises(CarrierRefused, match="at most 3000 characters at once, not 3001"):
        commands.perform(order(say("x" * 3001)), LINKS)


@pytest.mark.parametrize(
    ("language", "voice", "said_by", "recognised"),
    [
        ("en-US", None, "AWS.Polly.Joanna-Neural", "en"),
        ("en-GB", None, "AWS.Polly.Amy-Neural", "en"),
        ("en-NZ", None, "AWS.Polly.Joanna-Neural", "en"),
        ("de-AT", None, "AWS.Polly.Vicki-Neural", "de"),
        ("es-MX", None, "AWS.Polly.Mia-Neural", "es"),
        ("nb-NO", None, "AWS.Polly.Ida-Neural", "no"),
        ("cmn-CN", None, "AWS.Polly.Joanna-Neural", "zh"),
        ("he-IL", None, "AWS.Polly.Joanna-Neural", "iw"),
        ("", None, "AWS.Polly.Joanna-Neural", "en"),
        ("de-DE", "Telnyx.KokoroTTS.af", "Telnyx.KokoroTTS.af", "de"),
    ],
)
def test_the_voice_and_the_recogniser_follow_the_language(
    language: str, voice: str | None, said_by: str, recognised: str
) -> None:
    line = LineSettings(language, voice)
    spoken = commands.perform(order(say(), line=line), LINKS)
    heard = commands.perform(order(Listen(1), line=line), LINKS)
    assert spoken.body["voice"] == said_by
    config = heard.body["transcription_engine_config"]
    assert isinstance(config, dict)
    assert config["language"] == recognised
    assert fits(spoken)
    assert fits(heard)


@pytest.mark.parametrize("voice", ["female", "male"])
def test_a_plain_voice_is_of_the_basic_service(voice: str) -> None:
    command = commands.perform(order(say(), line=LineSettings("en-US", voice)), LINKS)
    assert command.body["service_level"] == "basic"
    assert command.body["language"] == "en-US"
    assert fits(command)


def test_words_that_were_refused_are_said_in_a_plain_voice() -> None:
    first = commands.perform(order(say()), LINKS)
    plain = commands.plain_speech(order(say()))
    assert plain is not None
    assert fits(plain)
    assert plain.body["voice"] == "female"
    assert plain.body["payload"] == first.body["payload"]
    assert plain.body["client_state"] == first.body["client_state"]
    assert plain.body["command_id"] != first.body["command_id"]


@pytest.mark.parametrize(
    ("verb", "voice"), [(say(), "male"), (Listen(1), None), (Digits("1", "op"), None)]
)
def test_nothing_else_has_a_plainer_form(verb: Verb, voice: str | None) -> None:
    assert commands.plain_speech(order(verb, line=LineSettings("en-US", voice))) is None


def test_answering_and_refusing() -> None:
    answer = commands.answer(LEG)
    assert decode_state(str(answer.body["client_state"])) == ClientState(CALL, "answer")
    assert commands.reject(LEG, "busy").body["cause"] == "USER_BUSY"
    assert commands.reject(LEG, "rejected").body["cause"] == "CALL_REJECTED"
    assert all(fits(command) for command in (answer, commands.reject(LEG, "busy")))
    assert fits(commands.hang_up())
    assert "command_id" not in commands.hang_up().body


@pytest.mark.parametrize(
    ("verb", "script", "step", "stops"),
    [
        (say(), 1, 0, False),
        (say(), 2, 0, True),
        (say(), 2, 1, False),
        (Digits("1", "op"), 2, 0, True),
        (Listen(1), 2, 0, False),
    ],
)
def test_when_listening_is_stopped(verb: Verb, script: int, step: int, stops: bool) -> None:
    stop = commands.stop_listening(order(verb, script, step))
    assert (stop is not None) is stops
    assert stop is None or (fits(stop) and "client_state" not in stop.body)


_steps = st.tuples(
    st.sampled_from([CALL, OTHER]),
    st.integers(2, 40),
    st.integers(0, 9),
    st.sampled_from([say(), Listen(1), Digits("1", "op")]),
)


@given(st.lists(_steps, unique_by=lambda each: each[:3], max_size=12))
def test_a_command_id_names_one_step_of_one_call(
    steps: list[tuple[CallId, int, int, Verb]],
) -> None:
    orders = [order(verb, script, step, call) for call, script, step, verb in steps]
    once = [commands.perform(each, LINKS).body["command_id"] for each in orders]
    again = [commands.perform(each, LINKS).body["command_id"] for each in orders]
    stops = [stop.body["command_id"] for each in orders if (stop := commands.stop_listening(each))]
    assert once == again
    assert len({*once, *stops}) == len(once) + len(stops)


def test_a_second_attempt_at_a_sentence_is_the_same_command() -> None:
    """The first may have been taken although its answer said otherwise."""
    again = Say(7, "Hi.", Speaker.AGENT, attempt=2)
    assert commands.perform(order(say()), LINKS) == commands.perform(order(again), LINKS)


@pytest.mark.parametrize(
    ("digits", "seconds"), [("1", 0.35), ("12#", 1.05), ("w", 0.5), ("W", 1.0), ("1,p2", 1.7)]
)
def test_how_long_digits_take(digits: str, seconds: float) -> None:
    assert commands.sending_s(digits) == pytest.approx(seconds)
