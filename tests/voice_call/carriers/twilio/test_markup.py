"""TwiML for every instruction: what it says, that it is valid, and that no text breaks it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.script import (
    ConnectStream,
    Digits,
    HangUp,
    Listen,
    Reject,
    Say,
    StepRef,
    Verb,
    Wait,
)
from openclaw_voice_call.call.types import CallId, EndReason, Speaker
from openclaw_voice_call.carriers.documents import dtmf, speakable
from openclaw_voice_call.carriers.twilio.markup import RETRIES, SAY_LIMIT, render
from openclaw_voice_call.errors import NotSupported
from openclaw_voice_call.interfaces.instruction import (
    Instruction,
    KeepAlive,
    LineSettings,
    Perform,
    Refuse,
    Release,
)
from openclaw_voice_call.interfaces.links import CallLinks, LinkKind, read_link
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.interfaces.stream_links import StreamLinks
from tests.emulators.twilio.twiml import parse

CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
LINKS = CallLinks("https://voice.example.org/voice/webhook")
STREAMS = StreamLinks("wss://voice.example.org/voice/stream", b"k" * 32)
STREAMING = CallLinks(LINKS.base_url, STREAMS)
HERE, NEXT = StepRef(3, 1), StepRef(3, 2)
LINE = LineSettings(language="de-DE", voice="Polly.Vicki", end_silence_ms=800)

Node = tuple[str, dict[str, str], str]
NOTHING: dict[str, str] = {}


def perform(verb: Verb, line: LineSettings = LINE) -> Perform:
    return Perform(CALL, verb, HERE, NEXT, line)


def say(text: str) -> Perform:
    return perform(Say(1, text, Speaker.AGENT))


def nodes(instruction: Instruction) -> list[Node]:
    """The verbs of the document, after checking it against Twilio's elements and attributes."""
    document = render(instruction, LINKS)
    assert len(document) < 64_000
    assert parse(document.decode()).problems == ()
    root = ElementTree.fromstring(document)  # noqa: S314 - our own
    assert root.tag == "Response"
    assert all(len(node) == 0 for node in root)
    return [(node.tag, dict(node.attrib), node.text or "") for node in root]


def redirect(step: StepRef) -> Node:
    return ("Redirect", {"method": "POST"}, LINKS.step(CALL, step) + "#rc=5&rp=ct,rt,5xx")


SPOKEN = {"voice": "Polly.Vicki", "language": "de-DE"}


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (say("Guten Tag & <hallo>"), [("Say", SPOKEN, "Guten Tag & <hallo>"), redirect(NEXT)]),
        (
            perform(Say(1, "Hi", Speaker.OPENING), LineSettings()),
            [("Say", {"language": "en-US"}, "Hi"), redirect(NEXT)],
        ),
        (say(" \x00\n"), [redirect(NEXT)]),
        (perform(Wait(3000)), [("Pause", {"length": "3"}, ""), redirect(NEXT)]),
        (perform(Wait(2001)), [("Pause", {"length": "3"}, ""), redirect(NEXT)]),
        (perform(Wait(1)), [("Pause", {"length": "1"}, ""), redirect(NEXT)]),
        (perform(Wait(0)), [redirect(NEXT)]),
        (perform(Digits("12,p#w*", "op")), [("Play", {"digits": "12ww#w*"}, ""), redirect(NEXT)]),
        (perform(Digits("", "op")), [redirect(NEXT)]),
        (KeepAlive(CALL, NEXT, LINE), [("Pause", {"length": "1"}, ""), redirect(NEXT)]),
        (perform(HangUp(EndReason.COMPLETED)), [("Hangup", NOTHING, "")]),
        (perform(Reject("busy")), [("Reject", {"reason": "busy"}, "")]),
        (perform(Reject("odd")), [("Reject", {"reason": "rejected"}, "")]),
        (Refuse("rejected"), [("Reject", {"reason": "rejected"}, "")]),
        (Refuse("busy"), [("Reject", {"reason": "busy"}, "")]),
        (Release(), [("Hangup", NOTHING, "")]),
        (
            Release("Sorry.", LINE),
            [("Say", SPOKEN, "Sorry."), ("Hangup", NOTHING, "")],
        ),
    ],
)
def test_every_instruction_has_its_document(instruction: Instruction, expected: list[Node]) -> None:
    assert nodes(instruction) == expected


@pytest.mark.parametrize(
    ("end_silence_ms", "speech_timeout"), [(0, "1"), (800, "1"), (1000, "1"), (1001, "2")]
)
def test_listening_comes_back_to_the_same_step(end_silence_ms: int, speech_timeout: str) -> None:
    """Nothing heard means that the action is not fetched, and the next verb is the redirect."""
    line = LineSettings(language="fr-FR", end_silence_ms=end_silence_ms)
    assert nodes(perform(Listen(2), line)) == [
        (
            "Gather",
            {
                "input": "dtmf speech",
                "action": LINKS.heard(CALL, HERE) + RETRIES,
                "method": "POST",
                "timeout": "5",
                "speechTimeout": speech_timeout,
                "language": "fr-FR",
                "actionOnEmptyResult": "false",
            },
            "",
        ),
        redirect(HERE),
    ]


def test_the_connection_overrides_are_no_part_of_the_link() -> None:
    [gather, _] = parse(render(perform(Listen(2)), LINKS).decode()).verbs
    url = getattr(gather, "action", "")
    target = read_link(url.partition("#")[0])
    assert (target.kind, target.call_id, target.step) == (LinkKind.HEARD, CALL, HERE)


@pytest.mark.scenario("F2", carrier="twilio")
def test_live_audio_is_connected_both_ways_with_its_token_twice() -> None:
    document = render(perform(ConnectStream(2)), STREAMING)
    assert parse(document.decode()).problems == ()
    [connect, then] = ElementTree.fromstring(document)  # noqa: S314 - our own
    [stream] = connect
    [parameter] = stream
    ticket = StreamTicket(CALL, 2)
    url = STREAMS.url(ticket)
    assert (connect.tag, connect.attrib) == ("Connect", {})
    assert (stream.tag, stream.attrib) == (
        "Stream",
        {
            "url": url,
            "name": "2",
            "statusCallback": LINKS.status(CALL) + "#rc=5&rp=ct,rt,5xx",
            "statusCallbackMethod": "POST",
        },
    )
    assert "?" not in url
    given = dict(parameter.attrib)
    assert (parameter.tag, given["name"]) == ("Parameter", "token")
    assert STREAMS.read(given["value"]) == ticket
    assert len(given["name"]) + len(given["value"]) < 500
    assert (then.tag, dict(then.attrib), then.text) == redirect(NEXT)


def test_live_audio_that_is_switched_off_is_refused_by_name() -> None:
    with pytest.raises(NotSupported, match="Live audio"):
        render(perform(ConnectStream(1)), LINKS)


# --- any text

_ANY_TEXT = st.text(
    st.characters(codec=None) | st.sampled_from("\x00\x07\t\n\r\x85\ufffe\uffff<>&\"']]>"),
    max_size=200,
)


@given(_ANY_TEXT)
@pytest.mark.scenario("F109", carrier="twilio")
def test_any_text_is_said_as_it_is(text: str) -> None:
    for document in (nodes(say(text)), nodes(Release(text, LINE))):
        said = [content for tag, _, content in document if tag == "Say"]
        assert "".join(said).strip() == speakable(text).strip()
        assert [tag for tag, _, _ in document if tag != "Say"] in (["Redirect"], ["Hangup"])


@given(_ANY_TEXT)
def test_only_what_xml_cannot_carry_is_left_out(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    left_out = [range(0x20), range(0x7F, 0xA0), range(0xD800, 0xE000), range(0xFFFE, 0x10000)]
    kept = "".join(
        char for char in lines if char in "\t\n" or not any(ord(char) in r for r in left_out)
    )
    assert speakable(text) == kept


@given(_ANY_TEXT, _ANY_TEXT)
def test_settings_cannot_break_out_of_their_attributes(voice: str, language: str) -> None:
    line = LineSettings(language=language, voice=voice or None)
    document = render(Release("Hello", line), LINKS)
    root = ElementTree.fromstring(document)  # noqa: S314 - our own
    assert [node.tag for node in root] == ["Say", "Hangup"]
    assert root[0].attrib.keys() <= {"voice", "language"}
    assert root[0].get("language") == speakable(language)


@given(st.text(max_size=20))
def test_digits_are_only_keys_and_pauses(digits: str) -> None:
    assert re.fullmatch(r"[0-9A-D#*wW]*", dtmf(digits))


# --- long texts


def parts(text: str) -> list[str]:
    return [content for tag, _, content in nodes(say(text)) if tag == "Say"]


def test_a_long_text_is_parted_after_sentences() -> None:
    sentence = "This is one of very many sentences. "
    text = sentence * 400
    said = parts(text)
    assert "".join(said) == text
    assert all(len(part) <= SAY_LIMIT and part.endswith(". ") for part in said)
    assert len(said) == 4


def test_without_sentences_it_is_parted_after_words() -> None:
    said = parts("word " * 3000)
    assert "".join(said) == "word " * 3000
    assert all(part.endswith("word ") for part in said)


def test_without_words_it_is_parted_anywhere() -> None:
    assert [len(part) for part in parts("x" * 10_000)] == [SAY_LIMIT, SAY_LIMIT, 1808]


@pytest.mark.parametrize("text", ["Some words. " * 20_000, "&" * 100_000, "\U0001f600 " * 50_000])
def test_what_no_document_can_hold_is_cut_at_its_limit(text: str) -> None:
    said = "".join(parts(text))
    assert text.startswith(said)
    assert len(render(say(text), LINKS)) > 55_000


@given(st.text(st.sampled_from("ab.&é \n😀"), min_size=1, max_size=60), st.integers(3000, 9000))
def test_any_long_text_is_said_whole(unit: str, length: int) -> None:
    text = unit * (length // len(unit))
    assert "".join(parts(text)).strip() == text.strip()
