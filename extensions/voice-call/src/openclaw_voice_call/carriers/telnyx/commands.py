"""Which Call Control command does what a call asks for. Pure.

A command id is made from what is to be done (call, script number, step), so a command that is sent
again, by us or by another process after a restart, has one effect: Telnyx ignores an id that it
has seen on the leg within the last minute.
Source: Telnyx's OpenAPI description, `Call Commands`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import msgspec

from openclaw_voice_call.call.script import ConnectStream, Digits, Listen, Say, StepRef
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.carriers.telnyx.state import ClientState, encode_state
from openclaw_voice_call.errors import CarrierRefused
from openclaw_voice_call.interfaces.instruction import (
    DialOrder,
    LegOrder,
    LineSettings,
    Perform,
)
from openclaw_voice_call.interfaces.links import CallLinks
from openclaw_voice_call.interfaces.media import StreamTicket

RING_TIMEOUT_S: Final = (5, 600)
"""What Telnyx takes for `timeout_secs`."""
TIME_LIMIT_S: Final = (60, 14_000)
"""What Telnyx takes for `time_limit_secs`: its pages and its schema differ, this is in both."""
TIME_LIMIT_GRACE_S: Final = 10
"""Telnyx's limit only stops a call that we have lost: our own deadline, which counts from when we
hear of the answer and gives the reason, comes first."""
PAYLOAD_LIMIT: Final = 3000
"""Characters of one `speak`."""
KEY_MS: Final = 250
KEY_GAP_MS: Final = 100
"""Assumed pause between two keys, which Telnyx does not document."""
PAUSES_MS: Final[Mapping[str, int]] = {"w": 500, "W": 1000}

DEFAULT_LANGUAGE: Final = "en"
DEFAULT_VOICE: Final = "AWS.Polly.Joanna-Neural"
PLAIN_VOICES: Final = frozenset({"female", "male"})
"""Those of the service level `basic`, which speak US English."""
_VOICES: Final[Mapping[str, str]] = {
    "da": "Sofie-Neural",
    "de": "Vicki-Neural",
    "en-AU": "Olivia-Neural",
    "en-GB": "Amy-Neural",
    "es": "Lucia-Neural",
    "es-MX": "Mia-Neural",
    "es-US": "Lupe-Neural",
    "fr": "Lea-Neural",
    "fr-CA": "Gabrielle-Neural",
    "it": "Bianca-Neural",
    "ja": "Kazuha-Neural",
    "ko": "Seoyeon-Neural",
    "nb": "Ida-Neural",
    "nl": "Laura-Neural",
    "pl": "Ola-Neural",
    "pt": "Camila-Neural",
    "pt-PT": "Ines-Neural",
    "sv": "Elin-Neural",
}
"""A voice of Amazon Polly for a language, or for a language in a region. The voice's name brings
the language with it."""
_RECOGNISED: Final[Mapping[str, str]] = {"nb": "no", "nn": "no", "he": "iw", "cmn": "zh"}
"""Languages that the recogniser knows by another code; the others it knows by the first part of
their tag (`en`, not `en-US`)."""
_NAMESPACE: Final = uuid.UUID("5b0f0c52-4c8e-4b43-9c0e-6d0f7f4a2a11")


class Command(msgspec.Struct, frozen=True):
    """A request to `/calls/{id}/actions/{action}`."""

    action: str
    body: Mapping[str, object]


def dial(order: DialOrder, *, connection_id: str, webhook_url: str) -> Mapping[str, object]:
    """The body of `POST /calls`."""
    return {
        "connection_id": connection_id,
        "to": order.to_number,
        "from": order.from_number,
        "timeout_secs": ring_timeout_s(order.ring_timeout_ms),
        "time_limit_secs": time_limit_s(order.max_duration_ms),
        "webhook_url": webhook_url,
        "webhook_url_method": "POST",
        "client_state": encode_state(ClientState(order.call_id, "dial")),
        "command_id": command_id(order.call_id, "dial"),
    }


def answer(leg: LegOrder) -> Command:
    """Answer an inbound leg, which from now on carries our call's id."""
    body = {
        "client_state": encode_state(ClientState(leg.call_id, "answer")),
        "command_id": command_id(leg.call_id, "answer"),
    }
    return Command("answer", body)


def reject(leg: LegOrder, reason: str) -> Command:
    """Turn an inbound leg away unanswered. Its call is not ours, so the leg itself names it."""
    cause = "USER_BUSY" if reason == "busy" else "CALL_REJECTED"
    return Command(
        "reject", {"cause": cause, "command_id": command_id(leg.carrier_call_id, "reject")}
    )


def hang_up() -> Command:
    """End the leg. It has no command id: twice has the effect of once, and an id that Telnyx has
    seen in a request that failed must never make it ignore the one that ends the bill."""
    return Command("hangup", {})


def perform(order: Perform, links: CallLinks, *, target_legs: str = "both") -> Command:
    """The command of a verb. `target_legs`: who hears a media stream, of `both|self|opposite`.

    Raises CarrierRefused for one that Telnyx has none for; NotSupported for `ConnectStream` when
    live audio is switched off.
    """
    match order.verb:
        case Say(text=text):
            return _command("speak", order, _speech(text, order.line))
        case Listen():
            return _command("transcription_start", order, _recogniser(order.line))
        case Digits(digits=digits):
            body = {"digits": playable_digits(digits), "duration_millis": KEY_MS}
            return _command("send_dtmf", order, body)
        case ConnectStream(number=number):
            ticket = StreamTicket(order.call_id, number)
            body = _stream(links.stream_url(ticket), target_legs)
            # By its number, for a stream is opened once, whatever script asks for it.
            named = {"command_id": command_id(order.call_id, "streaming_start", str(number))}
            return Command("streaming_start", {**body, "client_state": _state(order), **named})
        case other:
            raise CarrierRefused(f"Telnyx cannot {type(other).__name__}")


def end_stream(leg: LegOrder, number: int) -> Command:
    """Stop streaming on the leg; one stream is all that it can have."""
    named = {"command_id": command_id(leg.call_id, "streaming_stop", str(number))}
    return Command("streaming_stop", named)


def plain_speech(order: Perform) -> Command | None:
    """The same words in the voice that every account has, for when another one is refused (F7).

    None for what is not said, or is said in a plain voice anyway.
    """
    if not isinstance(order.verb, Say) or voice_for(order.line) in PLAIN_VOICES:
        return None
    line = msgspec.structs.replace(order.line, voice="female")
    plain = _command("speak", order, _speech(order.verb.text, line))
    return msgspec.structs.replace(
        plain,
        body={
            **plain.body,
            "command_id": step_command_id(order.call_id, order.here, "plain speak"),
        },
    )


def remember(order: Perform) -> Mapping[str, object]:
    """The body of `PUT .../client_state_update`: what the line is doing, without a command."""
    return {"client_state": _state(order)}


def stop_listening(order: Perform) -> Command | None:
    """What ends the listening before `order`, if there can be one.

    While we speak nobody is listened to: an echo of ours would be taken for the other party. It
    has no client state: the line is doing `order`.
    """
    if isinstance(order.verb, Listen) or order.here.step > 0 or order.here.script <= 1:
        # A listening ends its script, and the first script of a call has none before it.
        return None
    body = {"command_id": step_command_id(order.call_id, order.here, "transcription_stop")}
    return Command("transcription_stop", body)


def sending_s(digits: str) -> float:
    """Seconds that Telnyx needs to send these digits; no webhook tells when it has."""
    keys = (PAUSES_MS.get(key, KEY_MS + KEY_GAP_MS) for key in playable_digits(digits))
    return sum(keys) / 1000


def playable_digits(digits: str) -> str:
    """Digits in Telnyx's alphabet, where `w` is a pause of half a second."""
    return digits.replace(",", "w").replace("p", "w")


def ring_timeout_s(ms: int) -> int:
    return _within(_whole_seconds(ms), RING_TIMEOUT_S)


def time_limit_s(ms: int) -> int:
    return _within(_whole_seconds(ms) + TIME_LIMIT_GRACE_S, TIME_LIMIT_S)


def command_id(*what: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\n".join(what)))


def step_command_id(call_id: CallId, here: StepRef, action: str) -> str:
    return command_id(call_id, action, str(here.script), str(here.step))


def voice_for(line: LineSettings) -> str:
    """The voice that speaks the line's language; the configured one, if any."""
    if line.voice:
        return line.voice
    language = line.language.partition("-")[0]
    name = _VOICES.get(line.language) or _VOICES.get(language)
    return f"AWS.Polly.{name}" if name else DEFAULT_VOICE


def recognised_language(tag: str) -> str:
    """The recogniser's code for a language tag."""
    language = tag.partition("-")[0].lower()
    return _RECOGNISED.get(language, language) or DEFAULT_LANGUAGE


def _command(action: str, order: Perform, body: Mapping[str, object]) -> Command:
    here = order.here
    named = {"command_id": step_command_id(order.call_id, here, action)}
    return Command(action, {**body, "client_state": _state(order), **named})


def _state(order: Perform) -> str:
    verb = order.verb
    return encode_state(
        ClientState(
            call=order.call_id,
            doing=type(verb).__name__.lower(),
            script=order.here.script,
            step=order.here.step,
            utterance=verb.utterance if isinstance(verb, Say) else None,
        )
    )


def _speech(text: str, line: LineSettings) -> Mapping[str, object]:
    """Raises CarrierRefused for a text that is too long for one command.

    It is not parted: Telnyx's confirmations do not tell which of several parts has been played.
    """
    if len(text) > PAYLOAD_LIMIT:
        raise CarrierRefused(
            f"Telnyx says at most {PAYLOAD_LIMIT} characters at once, not {len(text)}"
        )
    voice = voice_for(line)
    basic = {"service_level": "basic", "language": "en-US"}
    return {
        "payload": text,
        "payload_type": "text",
        "voice": voice,
        **(basic if voice in PLAIN_VOICES else {}),
    }


def _recogniser(line: LineSettings) -> Mapping[str, object]:
    return {
        "transcription_engine": "Google",
        "transcription_engine_config": {
            "transcription_engine": "Google",
            "language": recognised_language(line.language),
            "interim_results": False,
        },
        "transcription_tracks": "inbound",
    }


def _stream(url: str, target_legs: str) -> Mapping[str, object]:
    """Mu-law both ways, as it is on the line: the default mode takes MP3 files only."""
    return {
        "stream_url": url,
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_sampling_rate": 8000,
        "stream_bidirectional_target_legs": target_legs,
    }


def _whole_seconds(ms: int) -> int:
    return -(-ms // 1000)


def _within(value: int, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return min(max(value, low), high)
