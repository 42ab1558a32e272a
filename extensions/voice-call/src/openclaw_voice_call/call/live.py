"""Live audio as the record sees it: which stream is wanted, and what follows when it fails.

The line's script does not know of it. What plays a `Say` and hears for a `Listen` is the stream
while the record's path is live, and the carrier after the record has fallen back to it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.closing import end, judge_remote_end
from openclaw_voice_call.call.draft import Draft
from openclaw_voice_call.call.facts import (
    PathChanged,
    Recorded,
    RecordingLost,
    StreamDown,
    StreamUp,
    TurnMeasured,
)
from openclaw_voice_call.call.lineup import renumber, say
from openclaw_voice_call.call.opening import go_up
from openclaw_voice_call.call.record import MediaStream
from openclaw_voice_call.call.script import Digits, Listen, Say
from openclaw_voice_call.call.types import EndReason, Mode, Phase, Speaker, VoicePathKind

STREAM_GRACE_S: Final = 2.0
"""How long a call lives on without its stream: time for the carrier to open the next one."""
RESTORED_GRACE_S: Final = 15.0
"""The same after a restart: carriers try again with growing pauses."""
STREAMS_LIMIT: Final = 8
"""A line whose streams are lost that often is served by the carrier's own voice."""
SAY_AGAIN: Final = "Sorry, I could not hear you just now. Could you say that again?"
STILL_THERE: Final = "Are you still there?"
PROMPTS_LIMIT: Final = 2


def stream_opened(draft: Draft, event: ev.StreamOpened) -> None:
    """Each stream opens once. A stream that opens proves that the line is up."""
    record = draft.record
    stream = record.stream
    if record.closing or not record.live or not record.speaks_live:
        return
    if stream is None or stream.open or stream.number != event.number:
        return
    if record.phase is not Phase.UP:
        go_up(draft)
    draft.note(StreamUp(event.number))
    draft.set(stream=MediaStream(event.number, open=True))
    draft.disarm("stream")


def stream_closed(draft: Draft, event: ev.StreamClosed) -> None:
    """The next stream is wanted, and the call waits for it for a moment."""
    record = draft.record
    stream = record.stream
    if stream is None or not stream.open or stream.number != event.number or record.closing:
        return
    draft.note(StreamDown(event.number, event.detail))
    if not record.speaks_live:
        draft.set(stream=None)
    elif stream.number >= STREAMS_LIMIT:
        draft.set(stream=None)
        fall_back(draft, "the media stream was lost too often")
    else:
        _want_next(draft, STREAM_GRACE_S)


def stream_failed(draft: Draft, event: ev.StreamFailed) -> None:
    """Nobody is kept waiting for a first stream by trying again. A later one that fails, most often
    because we were away, is replaced once, within the same grace."""
    record = draft.record
    stream = record.stream
    if stream is None or stream.open or event.number not in (None, stream.number):
        return
    if stream.retries > 0 and record.speaks_live and not record.closing:
        draft.set(stream=MediaStream(stream.number + 1, retries=stream.retries - 1))
    else:
        fall_back(draft, event.detail)


def live_audio_failed(draft: Draft, event: ev.LiveAudioFailed) -> None:
    fall_back(draft, event.detail)


def stream_overdue(draft: Draft) -> None:
    """One that never came is replaced by the carrier's own voice; so is one of which we know that
    the carrier tries in vain. One that just does not come back was the line itself (F51)."""
    record = draft.record
    stream = record.stream
    if not record.speaks_live or stream is None or stream.open:
        return
    if stream.number == 1 or stream.retries == 0:
        fall_back(draft, "the carrier did not open the media stream")
    else:
        reason = judge_remote_end(record, EndReason.COMPLETED)
        end(draft, reason, "the media stream was lost")


def restored(draft: Draft) -> None:
    """The sockets of the last process are gone, and what the carrier tells of the stream that was
    just being opened then is no news any more."""
    record = draft.record
    stream = record.stream
    if record.speaks_live and record.phase is Phase.UP and not record.closing:
        if stream is not None and stream.open:
            draft.note(StreamDown(stream.number, "the gateway was restarted"))
        if stream is not None and (stream.open or stream.number > 1):
            _want_next(draft, RESTORED_GRACE_S)
        else:
            draft.set(stream=MediaStream(retries=1))
            draft.arm("stream", draft.now + RESTORED_GRACE_S)


def fall_back(draft: Draft, why: str) -> None:
    """The carrier speaks and hears from now on. What was being said is said again from its start,
    and who was listened to is asked to repeat."""
    record = draft.record
    if not record.speaks_live or record.closing or not record.live:
        return
    draft.note(PathChanged(VoicePathKind.CARRIER, why))
    draft.set(path=VoicePathKind.CARRIER, cut=None)
    draft.disarm("stream")
    if record.phase is not Phase.UP:
        return
    verb = record.script.current
    if isinstance(verb, Listen):
        say(draft, SAY_AGAIN, Speaker.SYSTEM)
    elif isinstance(verb, Say):
        renumber(draft)


def caller_silent(draft: Draft, event: ev.CallerSilent) -> None:
    """Asked whether they are there, a few times; after that, in peace until they speak."""
    record = draft.record
    if record.closing or not isinstance(record.script.current, Listen):
        return
    if event.count <= PROMPTS_LIMIT and record.settings.mode is Mode.CONVERSATION:
        say(draft, STILL_THERE, Speaker.SYSTEM)


def interruption_void(draft: Draft, _: ev.InterruptionVoid) -> None:
    """What was cut off for nothing is said after all, and an end that was announced comes."""
    record = draft.record
    cut = record.cut
    if cut is None or record.closing:
        return
    draft.set(cut=None, ending=cut.ending)
    for words in cut.rest:
        if record.waiter is None or words.speaker is not Speaker.AGENT:
            say(draft, words.text, words.speaker, turn=words.turn)


def turn_timed(draft: Draft, event: ev.TurnTimed) -> None:
    if draft.record.live:
        draft.note(TurnMeasured(event.turn, event.times))
        # A fact changes the record, if only its version.
        metrics = msgspec.structs.replace(draft.record.metrics, last_timed_turn=event.turn)
        draft.set(metrics=metrics)


def recording_began(draft: Draft, event: ev.RecordingBegan) -> None:
    record = draft.record
    if record.live and event.file not in record.recordings:
        draft.note(Recorded(event.file))
        draft.set(recordings=(*record.recordings, event.file))


def recording_failed(draft: Draft, event: ev.RecordingFailed) -> None:
    if draft.record.live and draft.record.recording_problem is None:
        draft.note(RecordingLost(event.detail))
        draft.set(recording_problem=event.detail)


def _want_next(draft: Draft, grace_s: float) -> None:
    stream = draft.record.stream
    assert stream is not None
    draft.set(stream=MediaStream(stream.number + 1, retries=1))
    # While keys are being sent, some carriers have no stream. It is awaited from their end on.
    if not isinstance(draft.record.script.current, Digits):
        draft.arm("stream", draft.now + grace_s)
