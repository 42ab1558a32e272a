"""Plivo XML: how a line is told what to do. Rendering is pure.

A document that ends hangs the call up, so every document that waits ends in a redirect, and the
fetch of that redirect tells that all before it was played. Source: Plivo's XML reference, and the
element classes of its official package.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, SubElement

from openclaw_voice_call.call.script import (
    ConnectStream,
    Digits,
    HangUp,
    Listen,
    Reject,
    Say,
    Wait,
)
from openclaw_voice_call.carriers.documents import (
    add_speech,
    document,
    dtmf,
    speakable,
    whole_seconds,
)
from openclaw_voice_call.carriers.plivo.links import PlivoLinks
from openclaw_voice_call.carriers.plivo.media import AUDIO_TYPE
from openclaw_voice_call.interfaces.instruction import (
    Instruction,
    KeepAlive,
    LineSettings,
    Perform,
    Refuse,
    Release,
)
from openclaw_voice_call.interfaces.media import StreamTicket

CONTENT_TYPE: Final = "application/xml; charset=utf-8"

SPEAK_LIMIT: Final = 3000
"""Characters of one `<Speak>`."""
SPEECH_LIMIT: Final = 90_000
"""Bytes of markup for all that one document says: a document may have 100 kB. What is longer is cut
at a word."""
LISTEN_TIMEOUT_S: Final = 60
"""How long one `<GetInput>` listens at most, the longest that Plivo takes: somebody who is still
speaking then would be cut off. In silence the document comes back for the same step."""
KEY_TIMEOUT_S: Final = 3
"""How long the next key is waited for."""
END_SILENCE_S: Final = (2, 10)
"""What Plivo takes for `speechEndTimeout`."""


def render(instruction: Instruction, links: PlivoLinks) -> bytes:
    """The document for `instruction`.

    Raises NotSupported for `ConnectStream` when live audio is switched off.
    """
    response = Element("Response")
    match instruction:
        case Perform():
            _perform(response, instruction, links)
        case Refuse(reason):
            _refuse(response, reason)
        case Release(apology, line):
            _speak(response, apology or "", line)
            SubElement(response, "Hangup")
        case KeepAlive(call_id, following):
            _wait(response, 1000)
            _redirect(response, links.step(call_id, following))
    return document(response)


def end_silence(ms: int) -> int:
    """Silence that ends the other party's turn, in whole seconds within Plivo's bounds."""
    low, high = END_SILENCE_S
    return min(max(whole_seconds(ms), low), high)


def _perform(response: Element, order: Perform, links: PlivoLinks) -> None:
    following = links.step(order.call_id, order.next)
    match order.verb:
        case Say(text=text):
            _speak(response, text, order.line)
        case Listen():
            _get_input(response, links.heard(order.call_id, order.here), order.line)
            # GetInput goes on to the next element when nothing was heard: then listen again.
            following = links.step(order.call_id, order.here)
        case Digits(digits=digits):
            if keys := dtmf(digits):
                # The default lets the document go on while the keys are still being sent.
                SubElement(response, "DTMF", {"async": "false"}).text = keys
        case Wait(ms=ms):
            _wait(response, ms)
        case Reject(reason=reason):
            _refuse(response, reason)
            return
        case HangUp():
            SubElement(response, "Hangup")
            return
        case ConnectStream(number=number):
            _stream(response, StreamTicket(order.call_id, number), links)
    _redirect(response, following)


def _speak(response: Element, text: str, line: LineSettings) -> None:
    add_speech(response, "Speak", text, line, limit=SPEAK_LIMIT, room=SPEECH_LIMIT)


def _get_input(response: Element, action: str, line: LineSettings) -> None:
    SubElement(
        response,
        "GetInput",
        action=action,
        method="POST",
        inputType="dtmf speech",
        executionTimeout=str(LISTEN_TIMEOUT_S),
        digitEndTimeout=str(KEY_TIMEOUT_S),
        speechEndTimeout=str(end_silence(line.end_silence_ms)),
        language=speakable(line.language),
        log="false",
    )


def _stream(response: Element, ticket: StreamTicket, links: PlivoLinks) -> None:
    SubElement(
        response,
        "Stream",
        bidirectional="true",
        audioTrack="inbound",
        contentType=AUDIO_TYPE,
        # Else the document goes on at once, and its end ends the call.
        keepCallAlive="true",
        statusCallbackUrl=links.stream_status(ticket.call_id),
        statusCallbackMethod="POST",
    ).text = links.stream_url(ticket)


def _wait(response: Element, ms: int) -> None:
    if ms > 0:
        SubElement(response, "Wait", length=str(whole_seconds(ms)))


def _redirect(response: Element, url: str) -> None:
    SubElement(response, "Redirect", method="POST").text = url


def _refuse(response: Element, reason: str) -> None:
    # As the first element it turns the call away without answering it.
    SubElement(response, "Hangup", reason="busy" if reason == "busy" else "rejected")
