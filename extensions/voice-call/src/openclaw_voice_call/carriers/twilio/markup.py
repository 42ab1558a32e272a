"""TwiML: how a line is told what to do. Rendering is pure.

A document that ends hangs the call up, so every document that waits ends in a redirect, and the
fetch of that redirect tells that all before it was played. Source: Twilio's TwiML reference.
"""

from __future__ import annotations

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
from openclaw_voice_call.interfaces.stream_links import TOKEN_PARAMETER

CONTENT_TYPE = "text/xml; charset=utf-8"

SAY_LIMIT = 4096
"""Characters of one `<Say>`."""
SPEECH_LIMIT = 60_000
"""Bytes of markup for all that one document says, over an hour of talk: a document may have 64 kB.
What is longer is cut at a word."""
LISTEN_TIMEOUT_S = 5
"""How long one `<Gather>` waits for the first word, and for the next key. Nobody is cut off: the
document then comes back for the same step."""
RETRIES = "#rc=5&rp=ct,rt,5xx"
"""Connection overrides, which travel as a URL's fragment and are never sent to us: try five times
more after a failed or lost connection and after a 5xx, so that a restart of ours does not cost the
call. The default is once, and only after a connection that could not be made."""


def render(instruction: Instruction, links: CallLinks) -> bytes:
    """The TwiML document for `instruction`.

    Raises NotSupported for `ConnectStream` when live audio is switched off.
    """
    response = Element("Response")
    match instruction:
        case Perform():
            _perform(response, instruction, links)
        case Refuse(reason):
            _reject(response, reason)
        case Release(apology, line):
            _say(response, apology or "", line)
            SubElement(response, "Hangup")
        case KeepAlive(call_id, following):
            _pause(response, 1000)
            _redirect(response, links.step(call_id, following))
    return document(response)


def with_retries(url: str) -> str:
    """A URL to hand out to Twilio, with our connection overrides."""
    return url + RETRIES


def _perform(response: Element, order: Perform, links: CallLinks) -> None:
    following = links.step(order.call_id, order.next)
    match order.verb:
        case Say(text=text):
            _say(response, text, order.line)
        case Listen():
            _gather(response, links.heard(order.call_id, order.here), order.line)
            # Gather goes on to the next verb when nothing was heard: then listen again.
            following = links.step(order.call_id, order.here)
        case Digits(digits=digits):
            if keys := dtmf(digits):
                SubElement(response, "Play", digits=keys)
        case Wait(ms=ms):
            _pause(response, ms)
        case Reject(reason=reason):
            _reject(response, reason)
            return
        case HangUp():
            SubElement(response, "Hangup")
            return
        case ConnectStream(number=number):
            _stream(response, StreamTicket(order.call_id, number), links)
    _redirect(response, following)


def _say(response: Element, text: str, line: LineSettings) -> None:
    add_speech(response, "Say", text, line, limit=SAY_LIMIT, room=SPEECH_LIMIT)


def _gather(response: Element, action: str, line: LineSettings) -> None:
    # Whole seconds are right with every speechModel; `auto` is not, once a model is named.
    SubElement(
        response,
        "Gather",
        input="dtmf speech",
        action=with_retries(action),
        method="POST",
        timeout=str(LISTEN_TIMEOUT_S),
        speechTimeout=str(max(1, whole_seconds(line.end_silence_ms))),
        language=speakable(line.language),
        actionOnEmptyResult="false",
    )


def _stream(response: Element, ticket: StreamTicket, links: CallLinks) -> None:
    # Connect, for Start only listens. It holds the line until the stream is over.
    stream = SubElement(
        SubElement(response, "Connect"),
        "Stream",
        url=links.stream_url(ticket),
        # Comes back as StreamName, and tells which stream of the call a status is about.
        name=str(ticket.number),
        statusCallback=with_retries(links.status(ticket.call_id)),
        statusCallbackMethod="POST",
    )
    # Twilio drops the query of a stream's URL. What goes in the path goes as a parameter, too.
    SubElement(stream, "Parameter", name=TOKEN_PARAMETER, value=links.stream_pass(ticket))


def _pause(response: Element, ms: int) -> None:
    if ms > 0:
        SubElement(response, "Pause", length=str(whole_seconds(ms)))


def _redirect(response: Element, url: str) -> None:
    SubElement(response, "Redirect", method="POST").text = with_retries(url)


def _reject(response: Element, reason: str) -> None:
    SubElement(response, "Reject", reason="busy" if reason == "busy" else "rejected")
