"""Why a call went as it did: the first milestone that is missing or failed. Pure.

"It connects and is silent" has many causes; which one it was can be read from what was stored, in
order: placed, ringing, answered, webhook verified, instruction sent, played, heard, reply asked,
reply given, ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from openclaw_voice_call.call import facts as f
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import Direction, EndReason, Mode


class Verdict(NamedTuple):
    """The first milestone that is missing or failed, why that is likely so, and what to do."""

    milestone: str
    cause: str
    remedy: str


_REPLY_REMEDIES: Final = {
    "model_not_configured": "Set the model's API key, or another responseModel.",
    "model_refused": "Check the model vendor's key, quota and the model's name in responseModel.",
    "model_unreachable": "Check the network and models.providers.<id>.baseUrl.",
    "model_timeout": "Choose a faster model, or raise responseTimeoutMs.",
    "model_empty": "The model gave no words: check responseSystemPrompt and the model.",
}


def explain(record: CallRecord, facts: Sequence[Fact]) -> Verdict | None:
    """Where a call went wrong; None when all that a call of its kind needs has happened so far."""
    if not any(isinstance(fact, f.Answered) for fact in facts):
        return _unanswered(record, facts) if record.closing else None
    failed = _failed_audio(facts) or _failed_speech(record, facts) or _failed_reply(facts)
    if failed is not None:
        return failed
    silent = record.closing and not _any(facts, f.TurnHeard)
    if silent and record.settings.mode is Mode.CONVERSATION:
        return Verdict(
            "heard",
            "we listened, and no words of the other party arrived",
            "If somebody did speak, check the language and that the carrier's speech recognition "
            "is switched on for the account.",
        )
    return _bad_end(record)


def _unanswered(record: CallRecord, facts: Sequence[Fact]) -> Verdict:
    detail = record.end_detail or "no reason given"
    if record.direction is Direction.INBOUND:
        return Verdict("answered", f"the caller left before the answer ({detail})", "Nothing.")
    if not _any(facts, f.Dialled):
        return Verdict(
            "placed",
            f"the carrier did not take the order: {detail}",
            "Check the credentials, fromNumber and the number that was called.",
        )
    if record.end_reason is EndReason.BUSY:
        return Verdict("answered", "the line was busy or the call was declined", "Call again.")
    if not _any(facts, f.Rang) and record.end_reason is EndReason.NO_ANSWER:
        return Verdict(
            "webhook verified",
            "the carrier took the order, but no message of it about this call arrived",
            "Check that publicUrl reaches this gateway, and the log for refused signatures.",
        )
    if record.end_reason is EndReason.NO_ANSWER:
        return Verdict("answered", "nobody answered", "Call again, or raise ringTimeoutMs.")
    return Verdict("answered", f"the call ended before an answer: {detail}", "Look at the detail.")


def _failed_audio(facts: Sequence[Fact]) -> Verdict | None:
    """Why live audio had to be given up, if it had to."""
    change = next((fact for fact in facts if isinstance(fact, f.PathChanged)), None)
    if change is None:
        return None
    opened = _any(facts, f.StreamUp)
    if not opened and "recogniser" not in change.why:
        return Verdict(
            "media stream open",
            f"the carrier's media stream did not reach us: {change.why}",
            "Check that the stream's public URL (publicUrl with streaming.streamPath, or "
            "streaming.publicUrl) reaches this gateway and lets websockets through.",
        )
    return Verdict(
        "media stream open",
        f"live audio could not go on, so the carrier's own voice took over: {change.why}",
        "Check the speech vendor's key, quota and model: openclaw voicecall setup.",
    )


def _failed_speech(record: CallRecord, facts: Sequence[Fact]) -> Verdict | None:
    begun = {fact.utterance for fact in facts if isinstance(fact, f.Saying)}
    for fact in facts:
        if isinstance(fact, f.NotSaid) and fact.utterance in begun and fact.why != "call ended":
            return Verdict(
                "played",
                f"the words could not be played: {fact.why}",
                "Check the voice and language of the carrier.",
            )
        if isinstance(fact, f.Said) and not fact.confirmed:
            return _unconfirmed(record)
    settled = {fact.utterance for fact in facts if isinstance(fact, f.Said | f.Interrupted)}
    lost = any(isinstance(fact, f.NotSaid) and fact.utterance in begun for fact in facts)
    if lost and not settled:
        if record.end_reason is EndReason.HANGUP_USER:
            return Verdict("played", "the other party hung up meanwhile", "Call again.")
        return _unconfirmed(record)
    return None


def _unconfirmed(record: CallRecord) -> Verdict:
    if not record.fetched and record.direction is Direction.OUTBOUND:
        return Verdict(
            "instruction sent",
            "the call was answered, and after that nothing arrived: neither a request for an "
            "instruction nor a confirmation that one was carried out",
            "Check that publicUrl reaches this gateway, the log for refused signatures, and the "
            "carrier's own log of this call.",
        )
    return Verdict(
        "played",
        "the words were handed to the line, and the carrier never confirmed that they were played",
        "Look into the carrier's own log of this call for errors of its voice or of our answers.",
    )


def _failed_reply(facts: Sequence[Fact]) -> Verdict | None:
    for fact in facts:
        if isinstance(fact, f.ReplyMissed) and fact.code in _REPLY_REMEDIES:
            return Verdict(
                "reply given",
                f"the agent gave no answer in turn {fact.turn}: {fact.code}",
                _REPLY_REMEDIES[fact.code],
            )
    return None


def _bad_end(record: CallRecord) -> Verdict | None:
    detail = f": {record.end_detail}" if record.end_detail else ""
    if record.end_reason is EndReason.TIMEOUT:
        return Verdict(
            "ended",
            "the call reached its longest duration",
            "Raise maxDurationSeconds if calls may last longer.",
        )
    if record.end_reason in (EndReason.ERROR, EndReason.FAILED):
        return Verdict("ended", f"it failed{detail}", "Look at the gateway's log.")
    return None


def _any(facts: Sequence[Fact], kind: type[Fact]) -> bool:
    return any(isinstance(fact, kind) for fact in facts)
