"""How a script grows and moves on: what is played, and what follows when it has been heard.

A script is always: what is lined up to be played, then the tail that the record asks for (listen,
or the pause before hanging up, or nothing while the agent thinks). What is being played is never
cut here; everything after it may still be exchanged.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import msgspec

from openclaw_voice_call.call.closing import end
from openclaw_voice_call.call.draft import Draft
from openclaw_voice_call.call.facts import DigitsPlayed, Said, Saying
from openclaw_voice_call.call.record import CallRecord, Exchange
from openclaw_voice_call.call.script import Digits, HangUp, Listen, Say, Script, Verb, Wait
from openclaw_voice_call.call.types import EndReason, Mode, Phase, Speaker

SPEECH_MS_PER_CHAR: Final = 75
"""A slow reading voice: about 13 characters per second."""
SPEECH_MS_PER_IDEOGRAM: Final = 300
"""Where a character is a syllable: Chinese, Japanese, Korean."""
CONFIRM_SLACK_MS: Final = 8_000
"""What fetching and synthesis may take on top of the playing time."""
LIVE_SLACK_MS: Final = 60_000
"""The same with live audio, which bounds each of its steps itself, but holds an answer back as long
as the other party goes on speaking."""
DIGIT_MS: Final = 500
PAST_LIMIT: Final = 32
"""How many verbs that are over a live call's script may hold."""
STREAM_OPEN_S: Final = 6.0
"""How long a carrier may take to open the media stream that it was told to open."""


def speech_ms(text: str) -> int:
    """A generous estimate of how long a voice takes to say `text`, in ms."""
    wide = 0 if text.isascii() else sum(map(_is_ideogram, text))
    return 600 + SPEECH_MS_PER_CHAR * (len(text) - wide) + SPEECH_MS_PER_IDEOGRAM * wide


def _is_ideogram(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def say(
    draft: Draft,
    text: str,
    speaker: Speaker,
    *,
    turn: int = 0,
    operation: str | None = None,
) -> int:
    """Line an utterance up; gives its number."""
    utterance = draft.record.utterances + 1
    draft.set(utterances=utterance)
    line_up(draft, Say(utterance, text, speaker, turn=turn, operation=operation))
    return utterance


def line_up(draft: Draft, *verbs: Say | Digits) -> None:
    """Add verbs after what plays and what is lined up already, before the tail."""
    record = draft.record
    script = record.script
    if script.speaking:
        kept = (*script.verbs[: script.position + 1], *script.pending, *verbs)
        script = msgspec.structs.replace(script, verbs=(*kept, *_tail(record)))
        if record.speaks_live and isinstance(script.current, Say):
            script = _without_past(script)
        draft.set(script=script)
        return
    draft.set(script=Script(script.number + 1, (*verbs, *_tail(record))))
    draft.disarm("say", "wait")
    if record.phase is Phase.UP:
        enter(draft)


def _without_past(script: Script) -> Script:
    """What is over need not be kept where no line follows the script step by step: one that speaks
    without a pause would grow for ever."""
    return script if script.position < PAST_LIMIT else script.rest


def drop_unspoken_replies(draft: Draft, why: str) -> None:
    """Take the agent's words out that have not begun to be played; the owner's stay."""
    script = draft.record.script
    later = script.verbs[script.position + 1 :]
    dropped = [v for v in later if isinstance(v, Say) and v.speaker is Speaker.AGENT]
    if not dropped:
        return
    for verb in dropped:
        draft.give_up(verb, why, code="superseded")
    kept = tuple(v for v in later if v not in dropped)
    verbs = (*script.verbs[: script.position + 1], *kept)
    draft.set(script=msgspec.structs.replace(script, verbs=verbs))


def renumber(draft: Draft) -> None:
    """Make what is left a new script, so that the line is told anew, and begin it again."""
    draft.set(script=draft.record.script.rest)
    draft.disarm("say", "wait")
    enter(draft)


def retail(draft: Draft) -> None:
    """Make what follows the lined-up verbs fit the record again."""
    record = draft.record
    script = record.script
    if script.speaking:
        kept = (*script.verbs[: script.position + 1], *script.pending)
        draft.set(script=msgspec.structs.replace(script, verbs=(*kept, *_tail(record))))
    else:
        line_up(draft)


def finish_current(draft: Draft, *, confirmed: bool = True) -> None:
    """The verb being performed is done: note it, settle who waits for it, and go on."""
    verb = draft.record.script.current
    if isinstance(verb, Say):
        _said(draft, verb, confirmed=confirmed)
    elif isinstance(verb, Digits):
        draft.note(DigitsPlayed(verb.operation))
        draft.settle(verb.operation)
    advance(draft)


def advance(draft: Draft) -> None:
    script = draft.record.script
    draft.set(script=msgspec.structs.replace(script, position=script.position + 1))
    draft.disarm("say", "wait")
    enter(draft)


def enter(draft: Draft) -> None:
    """The current verb begins: arm its deadline, note what is handed to the line."""
    script = draft.record.script
    verb = script.current
    _expect_stream(draft)
    if isinstance(verb, Say):
        draft.note(Saying(verb.utterance, verb.text, verb.speaker, verb.turn))
        slack_ms = LIVE_SLACK_MS if draft.record.speaks_live else CONFIRM_SLACK_MS
        draft.arm("say", draft.now + (2 * speech_ms(verb.text) + slack_ms) / 1000)
        if verb.speaker is Speaker.AGENT:
            _measure_answer(draft)
    elif isinstance(verb, Digits):
        if draft.record.speaks_live and script.position:
            # Keys go to the carrier, which follows no script while the stream is open.
            draft.set(script=script.rest)
        draft.arm("say", draft.now + (DIGIT_MS * len(verb.digits) + CONFIRM_SLACK_MS) / 1000)
    elif isinstance(verb, Wait):
        draft.arm("wait", draft.now + verb.ms / 1000)
    elif isinstance(verb, Listen):
        metrics = msgspec.structs.replace(draft.record.metrics, listening_since=draft.now)
        draft.set(turn=verb.turn, turn_open=True, metrics=metrics)
    elif isinstance(verb, HangUp):
        end(draft, verb.reason)


def close_turn(draft: Draft) -> int:
    """End the other party's turn; gives its number. A script that listened has nothing left."""
    record = draft.record
    turn = record.turn if record.turn_open else record.turn + 1
    script = record.script
    if isinstance(script.current, Listen):
        script = msgspec.structs.replace(script, position=script.position + 1)
    draft.set(turn=turn, turn_open=False, script=script)
    return turn


def _tail(record: CallRecord) -> tuple[Verb, ...]:
    if record.reply is not None:
        return ()
    if record.ending is not None:
        return (HangUp(record.ending),)
    if record.settings.mode is Mode.NOTIFY:
        return (Wait(record.settings.notify_hangup_delay_ms), HangUp(EndReason.COMPLETED))
    return (Listen(record.turn if record.turn_open else record.turn + 1),)


def _expect_stream(draft: Draft) -> None:
    """While keys are sent some carriers have no stream; at any other time a live line has one."""
    record = draft.record
    stream = record.stream
    if not record.speaks_live or record.phase is not Phase.UP or stream is None or stream.open:
        return
    if isinstance(record.script.current, Digits):
        draft.disarm("stream")
    elif "stream" not in record.deadlines:
        draft.arm("stream", draft.now + STREAM_OPEN_S)


def heard_so_far(exchange: Exchange, more: str) -> Exchange:
    """The exchange when `more` of its reply has been heard."""
    heard = f"{exchange.heard} {more}" if exchange.heard and more else exchange.heard or more
    return msgspec.structs.replace(exchange, heard=heard)


def _said(draft: Draft, verb: Say, *, confirmed: bool) -> None:
    draft.note(Said(verb.utterance, verb.text, verb.speaker, verb.turn, confirmed=confirmed))
    draft.settle(verb.operation)
    exchange = draft.record.exchange
    if verb.speaker is Speaker.OPENING:
        draft.set(message_said=True)
    elif exchange is not None and exchange.turn == verb.turn:
        draft.set(exchange=heard_so_far(exchange, verb.text))


def _measure_answer(draft: Draft) -> None:
    metrics = draft.record.metrics
    if metrics.heard_at is None:
        return
    latency_ms = max(0, round((draft.now - metrics.heard_at) * 1000))
    draft.set(
        metrics=msgspec.structs.replace(
            metrics,
            turns=metrics.turns + 1,
            heard_at=None,
            last_turn_latency_ms=latency_ms,
            last_turn_at=draft.now,
        )
    )
