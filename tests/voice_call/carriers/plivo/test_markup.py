"""Documents for every instruction: what they say, that they are valid, and that no text breaks
them."""

from __future__ import annotations

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
from openclaw_voice_call.carriers.documents import speakable
from openclaw_voice_call.carriers.plivo.links import PlivoLinks
from openclaw_voice_call.carriers.plivo.markup import SPEAK_LIMIT, render
from openclaw_voice_call.errors import NotSupported
from openclaw_voice_call.interfaces.instruction import (
    Instruction,
    KeepAlive,
    LineSettings,
    Perform,
    Refuse,
    Release,
)
from openclaw_voice_call.interfaces.links import CallLinks
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.interfaces.stream_links import StreamLinks
from tests.emulators.plivo.markup import MAX_DOCUMENT, GetInput, parse

CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
LINKS = PlivoLinks(CallLinks("https://voice.example.org/voice/webhook"), "token")
STREAMS = StreamLinks("wss://voice.example.org/voice/stream", b"k" * 32)
HERE, NEXT = StepRef(3, 1), StepRef(3, 2)
LINE = LineSettings(language="de-DE", voice="Polly.Vicki", end_silence_ms=800)

Node = tuple[str, dict[str, str], str]
NOTHING: dict[str, str] = {}


def perform(verb: Verb, line: LineSettings = LINE) -> Perform:
    return Perform(CALL, verb, HERE, NEXT, line)


def say(text: str) -> Perform:
    return perform(Say(1, text, Speaker.AGENT))


def nodes(instruction: Instruction) -> list[Node]:
    """The elements of the document, after checking it against those that Plivo knows."""
    document = render(instruction, LINKS)
    assert len(document) < MAX_DOCUMENT
    assert parse(document.decode()).problems == ()
    root = ElementTree.fromstring(document)  # noqa: S314 - our own
    assert root.tag == "Response"
    assert all(len(node) == 0 for node in root)
    return [(node.tag, dict(node.attrib), node.text or "") for node in root]


def redirect(step: StepRef) -> Node:
    return ("Redirect", {"method": "POST"}, LINKS.step(CALL, step))


SPOKEN = {"voice": "Polly.Vicki", "language": "de-DE"}


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (say("Guten Tag & <hallo>"), [("Speak", SPOKEN, "Guten Tag & <hallo>"), redirect(NEXT)]),
        (
            perform(Say(1, "Hi", Speaker.OPENING), LineSettings()),
            [("Speak", {"language": "en-US"}, "Hi"), redirect(NEXT)],
        ),
        (say(" \x00\n"), [redirect(NEXT)]),
        (perform(Wait(3000)), [("Wait", {"length": "3"}, ""), redirect(NEXT)]),
        (perform(Wait(2001)), [("Wait", {"length": "3"}, ""), redirect(NEXT)]),
        (perform(Wait(0)), [redirect(NEXT)]),
        (
            perform(Digits("12,p#w*", "op")),
            [("DTMF", {"async": "false"}, "12ww#w*"), redirect(NEXT)],
        ),
        (perform(Digits("", "op")), [redirect(NEXT)]),
        (KeepAlive(CALL, NEXT, LINE), [("Wait", {"length": "1"}, ""), redirect(NEXT)]),
        (perform(HangUp(EndReason.COMPLETED)), [("Hangup", NOTHING, "")]),
        (perform(Reject("busy")), [("Hangup", {"reason": "busy"}, "")]),
        (perform(Reject("odd")), [("Hangup", {"reason": "rejected"}, "")]),
        (Refuse("rejected"), [("Hangup", {"reason": "rejected"}, "")]),
        (Refuse("busy"), [("Hangup", {"reason": "busy"}, "")]),
        (Release(), [("Hangup", NOTHING, "")]),
        (Release("Sorry.", LINE), [("Speak", SPOKEN, "Sorry."), ("Hangup", NOTHING, "")]),
    ],
)
def test_every_instruction_has_its_document(instruction: Instruction, expected: list[Node]) -> None:
    assert nodes(instruction) == expected


@pytest.mark.parametrize(
    ("end_silence_ms", "end_timeout"),
    [(0, "2"), (800, "2"), (2000, "2"), (2001, "3"), (10_000, "10"), (60_000, "10")],
)
def test_listening_comes_back_to_the_same_step(end_silence_ms: int, end_timeout: str) -> None:
    """Nothing heard means that the action is not fetched, and the next element is the redirect."""
    line = LineSettings(language="fr-FR", end_silence_ms=end_silence_ms)
    assert nodes(perform(Listen(2), line)) == [
        (
            "GetInput",
            {
                "action": LINKS.heard(CALL, HERE),
                "method": "POST",
                "inputType": "dtmf speech",
                "executionTimeout": "60",
                "digitEndTimeout": "3",
                "speechEndTimeout": end_timeout,
                "language": "fr-FR",
                "log": "false",
            },
            "",
        ),
        redirect(HERE),
    ]


def test_what_is_listened_to_is_what_plivo_understands() -> None:
    [element, _] = parse(render(perform(Listen(2)), LINKS).decode()).verbs
    assert isinstance(element, GetInput)
    assert element.speech
    assert element.dtmf
    assert element.action == LINKS.heard(CALL, HERE)


def test_live_audio_is_connected_both_ways_in_mu_law_and_keeps_the_call() -> None:
    links = PlivoLinks(CallLinks("https://voice.example.org/voice/webhook", STREAMS), "token")
    document = render(perform(ConnectStream(2)), links)
    [stream, then] = ElementTree.fromstring(document)  # noqa: S314 - our own
    assert (stream.tag, stream.text) == ("Stream", STREAMS.url(StreamTicket(CALL, 2)))
    assert stream.attrib == {
        "bidirectional": "true",
        "audioTrack": "inbound",
        "contentType": "audio/x-mulaw;rate=8000",
        "keepCallAlive": "true",
        "statusCallbackUrl": LINKS.status(CALL).partition("#")[0],
        "statusCallbackMethod": "POST",
    }
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
@pytest.mark.scenario("F109", carrier="plivo")
def test_any_text_is_said_as_it_is(text: str) -> None:
    for document in (nodes(say(text)), nodes(Release(text, LINE))):
        said = [content for tag, _, content in document if tag == "Speak"]
        assert "".join(said).strip() == speakable(text).strip()
        assert [tag for tag, _, _ in document if tag != "Speak"] in (["Redirect"], ["Hangup"])


@given(_ANY_TEXT, _ANY_TEXT)
def test_settings_cannot_break_out_of_their_attributes(voice: str, language: str) -> None:
    line = LineSettings(language=language, voice=voice or None)
    root = ElementTree.fromstring(render(Release("Hello", line), LINKS))  # noqa: S314 - our own
    assert [node.tag for node in root] == ["Speak", "Hangup"]
    assert root[0].attrib.keys() <= {"voice", "language"}
    assert root[0].get("language") == speakable(language)


@given(st.text(max_size=20))
def test_digits_cannot_break_out_of_their_element(digits: str) -> None:
    assert nodes(perform(Digits(digits, "op")))[-1] == redirect(NEXT)


# --- long texts


def parts(text: str) -> list[str]:
    return [content for tag, _, content in nodes(say(text)) if tag == "Speak"]


def test_a_long_text_is_parted_after_sentences() -> None:
    sentence = "This is one of very many sentences. "
    text = sentence * 400
    said = parts(text)
    assert "".join(said) == text
    assert all(len(part) <= SPEAK_LIMIT and part.endswith(". ") for part in said)
    assert len(said) == 5


@pytest.mark.parametrize("text", ["Some words. " * 20_000, "&" * 100_000, "\U0001f600 " * 50_000])
def test_what_no_document_can_hold_is_cut_at_its_limit(text: str) -> None:
    said = "".join(parts(text))
    assert text.startswith(said)
    assert len(render(say(text), LINKS)) > 85_000


@given(st.text(st.sampled_from("ab.&é \n😀"), min_size=1, max_size=60), st.integers(2000, 7000))
def test_any_long_text_is_said_whole(unit: str, length: int) -> None:
    text = unit * (length // len(unit))
    assert "".join(parts(text)).strip() == text.strip()
