"""The other party's words, and the agent's answer to them."""

from __future__ import annotations

from typing import Final

import msgspec

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.closing import end
from openclaw_voice_call.call.draft import Draft
from openclaw_voice_call.call.facts import ReplyAsked, ReplyGiven, ReplyMissed, TurnHeard
from openclaw_voice_call.call.lineup import close_turn, drop_unspoken_replies, enter, retail, say
from openclaw_voice_call.call.record import CallRecord, Cut, Exchange, PendingReply, Unsaid
from openclaw_voice_call.call.script import Listen, Say
from openclaw_voice_call.call.types import Mode, Phase, Speaker

APOLOGY: Final = "Sorry, I could not come up with an answer just now. Could you say that again?"
REPLY_SLACK_S: Final = 0.8
"""The responder cuts the agent at its own limit; this deadline only backs it up."""
KEY_PAUSE_S: Final = 2.0
"""Without another key for this long, an answer by keys is complete."""
FILLER_PAUSE_S: Final = 10.0
"""Between two signs of life."""
LAST_KEY: Final = "#"
KEYS_LIMIT: Final = 32


def heard(draft: Draft, event: ev.Heard) -> None:
    """Words of the other party: for the waiting `continue`, else for the agent, never for both.
    What was said before its question could be heard is no answer to it (F47)."""
    record = draft.record
    text = event.text.strip()
    if not text or not _is_awaited(record, event.script, continuous=event.continuous):
        return
    unanswered = None if event.unspoken is None else _take_back(draft, event.unspoken)
    turn = close_turn(draft)
    waiter = record.waiter
    early = waiter is not None and _is_unheard(record, waiter.utterance, event.unspoken)
    operation = waiter.id if waiter and not early else None
    draft.note(TurnHeard(turn, text, event.keyed, event.confidence, operation))
    _measure_listening(draft)
    if early:
        retail(draft)
    elif waiter is not None:
        draft.settle(waiter.id, text=text)
        _forget_reply(draft, "superseded")
        retail(draft)
    elif record.settings.mode is Mode.CONVERSATION:
        # Somebody who goes on speaking while the agent thinks has said one longer thing.
        before = unanswered or (
            record.reply.text if record.reply and not record.reply.begun else ""
        )
        _forget_reply(draft, "superseded")
        _ask(draft, PendingReply(turn, f"{before} {text}".strip(), event.keyed))


def key_pressed(draft: Draft, event: ev.KeyPressed) -> None:
    """Keys that come one by one are one answer: up to `#`, or to a pause."""
    record = draft.record
    streaming = record.speaks_live and record.stream is not None and record.stream.open
    if event.script is not None and streaming:
        # Some carriers tell a key on the open stream and by a webhook, which alone names a script.
        return
    if not _is_awaited(draft.record, event.script, continuous=True):
        return
    keys = draft.record.keys + event.key.rstrip(LAST_KEY)
    draft.set(keys=keys)
    if event.key == LAST_KEY or len(keys) >= KEYS_LIMIT:
        keys_entered(draft)
    else:
        draft.arm("keys", draft.now + KEY_PAUSE_S)


def keys_entered(draft: Draft) -> None:
    """An answer by keys is complete."""
    keys = draft.record.keys
    draft.disarm("keys")
    draft.set(keys="")
    heard(draft, ev.Heard(keys, keyed=True))


def reply_ready(draft: Draft, event: ev.ReplyReady) -> None:
    """The agent's answer is spoken only if nothing newer was heard or asked meanwhile (F42)."""
    pending = draft.record.reply
    if pending is None or pending.turn != event.turn:
        return
    text = event.text.strip()
    if not text:
        reply_failed(draft, ev.ReplyFailed(event.turn, "model_empty"))
        return
    draft.disarm("reply", "filler")
    draft.set(reply=None, exchange=Exchange(event.turn, pending.text, text))
    draft.note(ReplyGiven(event.turn))
    _drop_cut_filler(draft)
    say(draft, text, Speaker.AGENT, turn=event.turn)


def reply_sentence(draft: Draft, event: ev.ReplySentence) -> None:
    """Spoken while the rest is still being made; kept back while nobody knows whether a noise or
    the other party's word has interrupted what came before it."""
    pending = draft.record.reply
    text = event.text.strip()
    if pending is None or pending.turn != event.turn or not text:
        return
    exchange = draft.record.exchange
    if not pending.begun or exchange is None:
        draft.disarm("filler")
        draft.note(ReplyGiven(event.turn))
        _drop_cut_filler(draft)
        exchange = Exchange(event.turn, pending.text, text)
    else:
        exchange = msgspec.structs.replace(exchange, reply=f"{exchange.reply} {text}")
    draft.set(reply=msgspec.structs.replace(pending, begun=True), exchange=exchange)
    cut = draft.record.cut
    if cut is not None and cut.turn == event.turn:
        rest = (*cut.rest, Unsaid(text, Speaker.AGENT, event.turn))
        draft.set(cut=msgspec.structs.replace(cut, rest=rest))
    else:
        say(draft, text, Speaker.AGENT, turn=event.turn)


def reply_finished(draft: Draft, event: ev.ReplyFinished) -> None:
    """No more sentences follow."""
    pending = draft.record.reply
    if pending is None or pending.turn != event.turn:
        return
    if not pending.begun:
        reply_failed(draft, ev.ReplyFailed(event.turn, "model_empty"))
        return
    draft.disarm("reply")
    draft.set(reply=None)
    retail(draft)


def reply_restored(draft: Draft) -> None:
    """Whoever was making the answer is gone with the last process. The agent is asked again (see
    `due`), unless a part was heard: that stands, and none of it is said twice."""
    record = draft.record
    pending = record.reply
    if pending is None or not pending.begun:
        return
    exchange, verb = record.exchange, record.script.current
    if not record.speaks_live or (exchange is not None and exchange.heard):
        reply_failed(draft, ev.ReplyFailed(pending.turn, "restarted"))
        return
    drop_unspoken_replies(draft, "restarted")
    if isinstance(verb, Say) and verb.turn == pending.turn:
        _take_back(draft, verb.utterance)
    again = msgspec.structs.replace(pending, begun=False)
    draft.set(reply=again, exchange=None, cut=None, ending=record.ending)


def give_sign_of_life(draft: Draft) -> None:
    """The agent takes long (a tool, say): the other party hears that the call lives (F106)."""
    record = draft.record
    pending, settings = record.reply, record.settings
    if pending is None or pending.begun or pending.fillers >= len(settings.fillers):
        return
    if record.script.speaking:
        draft.arm("filler", draft.now + settings.filler_ms / 1000)
        return
    draft.set(reply=msgspec.structs.replace(pending, fillers=pending.fillers + 1))
    say(draft, settings.fillers[pending.fillers], Speaker.SYSTEM)
    draft.arm("filler", draft.now + FILLER_PAUSE_S)


def cut_off(record: CallRecord, verb: Say, heard: str) -> Cut:
    """What an interruption of `verb` takes away, of which `heard` was played."""
    rest = verb.text[len(heard) :].strip() if verb.text.startswith(heard) else verb.text
    later = (
        Unsaid(each.text, each.speaker, each.turn)
        for each in record.script.pending
        if isinstance(each, Say) and each.speaker is Speaker.AGENT
    )
    cut = tuple(words for words in (Unsaid(rest, verb.speaker, verb.turn), *later) if words.text)
    turn = max((verb.turn, *(words.turn for words in cut)))
    return Cut(verb.utterance, cut, turn, record.ending)


def _drop_cut_filler(draft: Draft) -> None:
    """The rest of a sign of life is not said behind the answer."""
    cut = draft.record.cut
    if cut is not None and any(words.speaker is Speaker.SYSTEM for words in cut.rest):
        draft.set(cut=None)


def reply_failed(draft: Draft, event: ev.ReplyFailed) -> None:
    """The caller hears an apology and is listened to again (F18)."""
    pending = draft.record.reply
    if pending is None or pending.turn != event.turn:
        return
    draft.disarm("reply", "filler")
    draft.note(ReplyMissed(event.turn, event.code))
    if pending.begun:
        # What was said of it stands; the other party asks if something is missing.
        draft.set(reply=None)
        retail(draft)
        return
    draft.set(reply=None, exchange=Exchange(event.turn, pending.text, APOLOGY))
    if draft.record.ending is not None and not draft.record.script.speaking:
        end(draft, draft.record.ending)
    elif draft.record.ending is None:
        say(draft, APOLOGY, Speaker.SYSTEM, turn=event.turn)
    else:
        retail(draft)


def _is_awaited(record: CallRecord, script: int | None, *, continuous: bool) -> bool:
    """What names a script answers that listening only; once it is over it is late (F47, A7)."""
    if record.closing or record.phase is not Phase.UP:
        return False
    if script is None:
        return True
    verb = record.script.current
    goes_on = continuous and record.reply is not None and verb is None
    return script == record.script.number and (isinstance(verb, Listen) or goes_on)


def _is_unheard(record: CallRecord, utterance: int | None, unspoken: int | None) -> bool:
    lined_up = (each for each in record.script.pending if isinstance(each, Say))
    return utterance == unspoken or any(each.utterance == utterance for each in lined_up)


def _ask(draft: Draft, pending: PendingReply) -> None:
    draft.set(reply=pending)
    draft.note(ReplyAsked(pending.turn))
    limit_s = draft.record.settings.reply_timeout_ms / 1000
    draft.arm("reply", draft.now + limit_s + REPLY_SLACK_S)
    filler_ms = draft.record.settings.filler_ms
    if filler_ms:
        draft.arm("filler", draft.now + filler_ms / 1000)
    if draft.record.script.speaking:
        retail(draft)


def _take_back(draft: Draft, utterance: int) -> str | None:
    """Words that were about to be spoken are obsolete, an announced end too. Gives what they were
    the answer to, if not a word of that answer has been heard: it is still to be answered."""
    record = draft.record
    verb = record.script.current
    if not isinstance(verb, Say) or verb.utterance != utterance:
        return None
    if verb.speaker not in (Speaker.AGENT, Speaker.SYSTEM):
        return None
    drop_unspoken_replies(draft, "superseded")
    draft.give_up(verb, "superseded", code="superseded")
    script = draft.record.script
    done = script.verbs[: script.position + 1]
    script = msgspec.structs.replace(
        script, verbs=(*done, *script.pending), position=script.position + 1
    )
    draft.set(script=script, ending=None)
    draft.disarm("say")
    if script.speaking:
        enter(draft)
    exchange = record.exchange
    if exchange is None or exchange.turn != verb.turn or exchange.heard:
        return None
    draft.set(exchange=None)
    return exchange.user_text


def _forget_reply(draft: Draft, why: str) -> None:
    """Neither a reply in the making nor one that waits to be spoken is wanted any more."""
    pending = draft.record.reply
    draft.set(cut=None)
    if pending is not None:
        draft.disarm("reply", "filler")
        draft.set(reply=None)
        draft.note(ReplyMissed(pending.turn, why))
    drop_unspoken_replies(draft, why)


def _measure_listening(draft: Draft) -> None:
    metrics = draft.record.metrics
    since = metrics.listening_since
    wait_ms = None if since is None else max(0, round((draft.now - since) * 1000))
    draft.set(
        metrics=msgspec.structs.replace(
            metrics, heard_at=draft.now, listening_since=None, last_listen_wait_ms=wait_ms
        )
    )
