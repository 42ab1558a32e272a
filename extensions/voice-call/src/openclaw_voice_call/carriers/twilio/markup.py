"""TwiML: how a line is told what to do. Rendering is pure.

A document that ends hangs the call up, so every document that waits ends in a redirect, and the
fetch of that redirect tells that all before it was played. Source: Twilio's TwiML reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, tostring
from xml.sax.saxutils import escape

from openclaw_voice_call.call.script import (
    ConnectStream,
    Digits,
    HangUp,
    Listen,
    Reject,
    Say,
    Wait,
)
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

CONTENT_TYPE = "text/xml; charset=utf-8"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'

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

_DIGIT_ALIASES = str.maketrans({",": "w", "p": "w", "P": "w"})
_NOT_DIGITS = re.compile(r"[^0-9A-D#*wW]")
# All that is not a Char of XML 1.0, and the C1 controls, which it discourages.
_NOT_XML = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Where a long text may be parted, best first: after a sentence, else after a word.
_BREAKS = (re.compile(r"[.!?。！？]\s+|\n"), re.compile(r"\s"))  # noqa: RUF001


def render(instruction: Instruction, links: CallLinks) -> bytes:
    """The TwiML document for `instruction`. Raises NotSupported for `ConnectStream`."""
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
    # To text and then to bytes: half the time of writing bytes through ElementTree's own stream.
    return DECLARATION + tostring(response, encoding="unicode").encode()


def with_retries(url: str) -> str:
    """A URL to hand out to Twilio, with our connection overrides."""
    return url + RETRIES


def whole_seconds(ms: int) -> int:
    """Milliseconds rounded up to the whole seconds that Twilio counts in."""
    return -(-ms // 1000)


def dtmf(digits: str) -> str:
    """Keys as `<Play digits>` knows them: a comma or `p` is a pause of half a second, as `w` is."""
    return _NOT_DIGITS.sub("", digits.translate(_DIGIT_ALIASES))


def speakable(text: str) -> str:
    """`text` without the characters that XML cannot carry; line ends become a newline."""
    return _NOT_XML.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


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
        case ConnectStream():
            raise NotSupported("Live audio is not available on Twilio calls")
    _redirect(response, following)


def _say(response: Element, text: str, line: LineSettings) -> None:
    for part in _parts(speakable(text)):
        say = SubElement(response, "Say")
        if line.voice:
            say.set("voice", speakable(line.voice))
        say.set("language", speakable(line.language))
        say.text = part


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


def _pause(response: Element, ms: int) -> None:
    if ms > 0:
        SubElement(response, "Pause", length=str(whole_seconds(ms)))


def _redirect(response: Element, url: str) -> None:
    SubElement(response, "Redirect", method="POST").text = with_retries(url)


def _reject(response: Element, reason: str) -> None:
    SubElement(response, "Reject", reason="busy" if reason == "busy" else "rejected")


def _parts(text: str) -> Iterator[str]:
    """`text` in parts of at most `SAY_LIMIT` characters, as many as fit into one document.

    Joined they are the text; blank parts, which Twilio warns of, are left out.
    """
    room = SPEECH_LIMIT
    while text and room > 0:
        part = text if len(text) <= SAY_LIMIT else text[: _break_before(text, SAY_LIMIT)]
        text = text[len(part) :]
        size = len(escape(part).encode())
        if size > room:
            part, text = _fitting(part, room), ""
        room -= size
        if part.strip():
            yield part


def _break_before(text: str, limit: int) -> int:
    """Where to part `text`: after the last sentence, else word, of the first `limit` characters."""
    for pattern in _BREAKS:
        ends = [found.end() for found in pattern.finditer(text, 0, limit)]
        if ends:
            return ends[-1]
    return limit


def _fitting(part: str, room: int) -> str:
    """The longest beginning of `part` that needs at most `room` bytes, cut at a word."""
    used = 0
    for index, char in enumerate(part):
        used += len(escape(char).encode())
        if used > room:
            return part[: _break_before(part, index)] if index else ""
    return part
