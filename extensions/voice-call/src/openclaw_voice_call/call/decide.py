"""What an event makes of a call: `decide(record, event, now) -> record and facts`.

Theory. The record alone says what is to be done (`due`) and what the line should be doing
(`instruction`); this file is the only place that changes it. An event that names a script or turn
that is over changes nothing, so repeated, late and reordered messages of a carrier are harmless
without remembering them. Phases move by the table `MOVES` only. The end is decided once
(`closing.end`) before the line is hung up, and after it only the line's end is of interest.
Requests of the owner that cannot be carried out raise; events of the world never do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

import msgspec

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call import live
from openclaw_voice_call.call.closing import down, end, judge_remote_end
from openclaw_voice_call.call.draft import Decision, Draft
from openclaw_voice_call.call.facts import Dialled, DialUnsettled, Fetched, Interrupted, Rang
from openclaw_voice_call.call.lineup import (
    advance,
    drop_unspoken_replies,
    finish_current,
    heard_so_far,
    line_up,
    retail,
)
from openclaw_voice_call.call.opening import go_up
from openclaw_voice_call.call.record import SEEN_LIMIT, CallRecord
from openclaw_voice_call.call.requests import continue_, end_request, send_digits, speak
from openclaw_voice_call.call.script import Digits, Listen, Say, Wait
from openclaw_voice_call.call.turns import (
    cut_off,
    give_sign_of_life,
    heard,
    key_pressed,
    keys_entered,
    reply_failed,
    reply_finished,
    reply_ready,
    reply_restored,
    reply_sentence,
)
from openclaw_voice_call.call.types import (
    MOVES,
    CarrierCallId,
    DialState,
    Direction,
    EndReason,
    Mode,
    Phase,
    Speaker,
)

LOOKUP_INTERVAL_S: Final = 5.0


def decide(
    record: CallRecord, event: ev.CallEvent, now: float, occurrence: str | None = None
) -> Decision:
    """Apply `event` at `now` (epoch seconds).

    `occurrence` is the carrier's signed event id: one that was seen already changes nothing.
    Raises CallEnded, CallNotUp, AlreadyWaiting or TooManyRequests for a request that cannot be
    carried out.
    """
    if occurrence is not None and occurrence in record.seen:
        return Decision(record, ())
    draft = Draft(record, now)
    _RULES[type(event)](draft, event)
    if occurrence is not None:
        draft.set(seen=(*draft.record.seen, occurrence)[-SEEN_LIMIT:])
    return draft.decision()


def _dial_accepted(draft: Draft, event: ev.DialAccepted) -> None:
    _learn_leg(draft, event.carrier_call_id)


def _dial_refused(draft: Draft, event: ev.DialRefused) -> None:
    if draft.record.dial is DialState.BEGUN and draft.record.carrier_call_id is None:
        draft.set(dial=DialState.REFUSED)
        end(draft, event.reason, event.detail)
        down(draft, event.reason, event.detail)


def _dial_unknown(draft: Draft, event: ev.DialOutcomeUnknown) -> None:
    record = draft.record
    if record.dial is DialState.BEGUN and record.carrier_call_id is None and record.live:
        draft.note(DialUnsettled(event.detail))
        draft.set(dial=DialState.UNKNOWN, lookups=1)


def _lookup_finished(draft: Draft, _: ev.LookupFinished) -> None:
    record = draft.record
    if record.dial is DialState.UNKNOWN and record.carrier_call_id is None and record.live:
        draft.arm("lookup", draft.now + LOOKUP_INTERVAL_S)


def _line_seen(draft: Draft, event: ev.LineSeen) -> None:
    _learn_leg(draft, event.carrier_call_id)


def _line_named(draft: Draft, event: ev.LineNamed) -> None:
    _learn_leg(draft, event.carrier_call_id)
    if draft.record.carrier_call_id == event.before:
        draft.note(Dialled(event.carrier_call_id))
        draft.set(carrier_call_id=event.carrier_call_id)


def _line_ringing(draft: Draft, event: ev.LineRinging) -> None:
    _learn_leg(draft, event.carrier_call_id)
    if Phase.RINGING in MOVES[draft.record.phase] and not draft.record.closing:
        draft.note(Rang())
        draft.set(phase=Phase.RINGING)


def _line_answered(draft: Draft, event: ev.LineAnswered) -> None:
    _learn_leg(draft, event.carrier_call_id)
    record = draft.record
    if Phase.UP not in MOVES[record.phase] or record.closing:
        return
    go_up(draft, by_machine=event.by_machine)
    if event.by_machine and record.settings.mode is Mode.CONVERSATION:
        end(draft, EndReason.VOICEMAIL)


def _line_ended(draft: Draft, event: ev.LineEnded) -> None:
    _learn_leg(draft, event.carrier_call_id)
    draft.set(stray=False)
    down(draft, judge_remote_end(draft.record, event.reason), event.detail)


def _step_reached(draft: Draft, event: ev.StepReached) -> None:
    record = draft.record
    script = record.script
    if record.closing or record.phase is not Phase.UP:
        return
    if not record.fetched:
        draft.note(Fetched())
        draft.set(fetched=True)
    if event.script != script.number:
        return
    # While live audio speaks, the line's requests tell nothing of what was said.
    follows = Digits if record.speaks_live else Say | Digits | Wait
    if event.step == script.position + 1 and isinstance(script.current, follows):
        finish_current(draft)


def _utterance_played(draft: Draft, event: ev.UtterancePlayed) -> None:
    if _plays(draft.record, event.utterance):
        finish_current(draft)


def _utterance_interrupted(draft: Draft, event: ev.UtteranceInterrupted) -> None:
    """The caller took the word: what the agent had lined up is obsolete, an announced end too."""
    verb = _plays(draft.record, event.utterance)
    if verb is None:
        return
    draft.note(Interrupted(verb.utterance, event.heard, verb.speaker, verb.turn))
    draft.settle(verb.operation, code="interrupted")
    record = draft.record
    exchange = record.exchange
    if exchange is not None and exchange.turn == verb.turn:
        draft.set(exchange=heard_so_far(exchange, event.heard))
    draft.set(ending=None, cut=cut_off(record, verb, event.heard))
    drop_unspoken_replies(draft, "interrupted")
    retail(draft)
    advance(draft)


def _utterance_refused(draft: Draft, event: ev.UtteranceRefused) -> None:
    """Tried once more; then the carrier's own voice says it, and if that was it, the call goes on
    without it rather than standing silent (F7)."""
    record = draft.record
    verb = _plays(record, event.utterance)
    if verb is None:
        return
    script = record.script
    if verb.attempt == 1:
        again = msgspec.structs.replace(verb, attempt=2)
        verbs = tuple(again if v is verb else v for v in script.verbs)
        draft.set(script=msgspec.structs.replace(script, verbs=verbs))
        return
    if record.speaks_live:
        live.fall_back(draft, event.detail)
        return
    draft.give_up(verb, event.detail, code="utterance_failed")
    retail(draft)
    advance(draft)


def _digits_sent(draft: Draft, event: ev.DigitsSent) -> None:
    verb = draft.record.script.current
    if isinstance(verb, Digits) and verb.operation == event.operation:
        finish_current(draft)


def _digits_refused(draft: Draft, event: ev.DigitsRefused) -> None:
    verb = draft.record.script.current
    if isinstance(verb, Digits) and verb.operation == event.operation:
        draft.give_up(verb, event.detail, code="carrier_error")
        advance(draft)


def _deadline_passed(draft: Draft, event: ev.DeadlinePassed) -> None:
    """A deadline is re-checked here: one that was moved or removed meanwhile changes nothing."""
    at = draft.record.deadlines.get(event.name)
    if at is None or draft.now < at:
        return
    draft.disarm(event.name)
    name, _, operation = event.name.partition(":")
    if name == "transcript":
        draft.settle(operation, code="transcript_timeout")
    else:
        _DEADLINES[name](draft)


def _rang_out(draft: Draft) -> None:
    if _dial_is_lost(draft.record):
        end(draft, EndReason.FAILED, "the carrier never confirmed the call")
        down(draft, EndReason.FAILED)
    else:
        end(draft, EndReason.NO_ANSWER)


def _lasted_too_long(draft: Draft) -> None:
    end(draft, EndReason.TIMEOUT, "the call reached its longest duration")


def _never_confirmed_down(draft: Draft) -> None:
    down(draft, draft.record.end_reason or EndReason.ERROR)


def _look_up_again(draft: Draft) -> None:
    draft.set(lookups=draft.record.lookups + 1)


def _never_confirmed_played(draft: Draft) -> None:
    """The time it takes has passed twice. The rest becomes a new script: the line is told anew.

    Live audio tells of all that it has played: there it was not. An answer was held back too long
    to be one still; why anything else was not played, the carrier's own voice need not know.
    """
    verb = draft.record.script.current
    if draft.record.speaks_live and isinstance(verb, Say):
        if verb.speaker in (Speaker.AGENT, Speaker.SYSTEM):
            draft.give_up(verb, "not played in time", code="utterance_failed")
            advance(draft)
        else:
            live.fall_back(draft, "an utterance was not played in time")
        return
    finish_current(draft, confirmed=False)
    if not draft.record.closing:
        _tell_anew(draft)


def _reply_overdue(draft: Draft) -> None:
    if draft.record.reply is not None:
        reply_failed(draft, ev.ReplyFailed(draft.record.reply.turn, "model_timeout"))


_DEADLINES: Final[dict[str, Callable[[Draft], None]]] = {
    "ring": _rang_out,
    "reaper": _rang_out,
    "duration": _lasted_too_long,
    "final": _never_confirmed_down,
    "lookup": _look_up_again,
    "say": _never_confirmed_played,
    "wait": advance,
    "reply": _reply_overdue,
    "filler": give_sign_of_life,
    "stream": live.stream_overdue,
    "keys": keys_entered,
}


def _hang_up_confirmed(draft: Draft, _: ev.HangUpConfirmed) -> None:
    draft.set(stray=False)
    if draft.record.closing:
        down(draft, draft.record.end_reason or EndReason.ERROR)


def _restored(draft: Draft, _: ev.Restored) -> None:
    """A dial that may or may not have gone out is looked up; nothing is ever dialled again."""
    record = draft.record
    if record.dial is DialState.BEGUN and record.direction is Direction.OUTBOUND:
        _dial_unknown(draft, ev.DialOutcomeUnknown("the gateway stopped while dialling"))
    live.restored(draft)
    reply_restored(draft)


def _learn_leg(draft: Draft, carrier_call_id: CarrierCallId | None) -> None:
    """Take the carrier's name for the leg. It stays until the carrier changes it (`LineNamed`): a
    call has one leg here."""
    record = draft.record
    if carrier_call_id is None or record.carrier_call_id is not None:
        return
    draft.note(Dialled(carrier_call_id))
    draft.set(carrier_call_id=carrier_call_id, dial=DialState.ACCEPTED, stray=not record.live)
    draft.disarm("lookup")


def _dial_is_lost(record: CallRecord) -> bool:
    """By now an existing leg would have rung out at the carrier or asked us what to do."""
    return record.dial is DialState.UNKNOWN and record.carrier_call_id is None


def _plays(record: CallRecord, utterance: int) -> Say | None:
    verb = record.script.current
    up = record.phase is Phase.UP and not record.closing
    return verb if up and isinstance(verb, Say) and verb.utterance == utterance else None


def _tell_anew(draft: Draft) -> None:
    script = draft.record.script
    if script.current is None or isinstance(script.current, Listen | Wait):
        line_up(draft)
    else:
        draft.set(script=script.rest)


E_ = TypeVar("E_", bound=ev.CallEvent)
Rule = Callable[[Draft, ev.CallEvent], None]


def _rule(kind: type[E_], apply: Callable[[Draft, E_], None]) -> tuple[type[E_], Rule]:
    return kind, cast("Rule", apply)


_RULES: Final[dict[type[ev.CallEvent], Rule]] = dict[type[ev.CallEvent], Rule](
    (
        _rule(ev.DialAccepted, _dial_accepted),
        _rule(ev.DialRefused, _dial_refused),
        _rule(ev.DialOutcomeUnknown, _dial_unknown),
        _rule(ev.LookupFinished, _lookup_finished),
        _rule(ev.LineSeen, _line_seen),
        _rule(ev.LineNamed, _line_named),
        _rule(ev.LineRinging, _line_ringing),
        _rule(ev.LineAnswered, _line_answered),
        _rule(ev.LineEnded, _line_ended),
        _rule(ev.StepReached, _step_reached),
        _rule(ev.Heard, heard),
        _rule(ev.KeyPressed, key_pressed),
        _rule(ev.UtterancePlayed, _utterance_played),
        _rule(ev.UtteranceInterrupted, _utterance_interrupted),
        _rule(ev.UtteranceRefused, _utterance_refused),
        _rule(ev.StreamOpened, live.stream_opened),
        _rule(ev.StreamClosed, live.stream_closed),
        _rule(ev.StreamFailed, live.stream_failed),
        _rule(ev.LiveAudioFailed, live.live_audio_failed),
        _rule(ev.InterruptionVoid, live.interruption_void),
        _rule(ev.CallerSilent, live.caller_silent),
        _rule(ev.TurnTimed, live.turn_timed),
        _rule(ev.RecordingBegan, live.recording_began),
        _rule(ev.RecordingFailed, live.recording_failed),
        _rule(ev.DigitsSent, _digits_sent),
        _rule(ev.DigitsRefused, _digits_refused),
        _rule(ev.ReplyReady, reply_ready),
        _rule(ev.ReplySentence, reply_sentence),
        _rule(ev.ReplyFinished, reply_finished),
        _rule(ev.ReplyFailed, reply_failed),
        _rule(ev.SpeakRequested, speak),
        _rule(ev.ContinueRequested, continue_),
        _rule(ev.DigitsRequested, send_digits),
        _rule(ev.EndRequested, end_request),
        _rule(ev.DeadlinePassed, _deadline_passed),
        _rule(ev.HangUpConfirmed, _hang_up_confirmed),
        _rule(ev.Restored, _restored),
    )
)
