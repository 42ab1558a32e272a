"""A call's live voice: its ear, its mouth and its sense of turns, joined on a media stream.

It says what the record lists and tells the call's inbox what was said, heard and interrupted. It
decides only when: the reflexes (falling silent, holding back while somebody speaks) happen here at
once, what follows from them is the machine's business.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from openclaw.sdk import Clock, TaskOwner, TimerHandle
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Digits, Say
from openclaw_voice_call.call.types import CallId, Mode, Phase, Speaker
from openclaw_voice_call.interfaces.media import MediaDialect, MessageSink, StreamStart, Wire
from openclaw_voice_call.interfaces.speech import (
    ListenOrder,
    Recognised,
    RecogniserDown,
    SpeechToText,
    TextToSpeech,
)
from openclaw_voice_call.media.mouth import Mouth
from openclaw_voice_call.media.session import AudioTap, MediaSession
from openclaw_voice_call.media.speech_gate import Ear
from openclaw_voice_call.media.stopwatch import Stopwatch
from openclaw_voice_call.media.turn_taker import TurnTaker
from openclaw_voice_call.media.turns import (
    BargeIn,
    CallerSilent,
    FalseAlarm,
    FinishTurn,
    Likely,
    NoText,
    TurnAction,
    TurnOver,
    TurnSettings,
)
from openclaw_voice_call.media.wheel import TimerWheel

log = logging.getLogger("openclaw.plugins.voice-call")

PATIENCE_S = 4.0
"""How long the owner's words wait for a pause of the other party."""
HELD_LOOK_S = 0.3
"""How often somebody looks whether words that are held back may begin, though no frame comes."""


class CallDoor(Protocol):
    """The call that a voice belongs to."""

    def tell(self, event: ev.CallEvent) -> CallRecord:
        """Decide it at once, see to it that it is stored; gives the record as decided."""
        ...

    def likely(self, text: str) -> None:
        """What the other party has probably finished to say; the final words follow."""
        ...


class CallTap(AudioTap, Protocol):
    """Listens to all streams of a call, one after another."""

    def close(self) -> None:
        """The call's audio is over."""
        ...


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What all live calls share."""

    recogniser: SpeechToText
    voice: TextToSpeech
    dialect: MediaDialect
    wheel: TimerWheel
    clock: Clock
    tasks: TaskOwner
    turns: TurnSettings
    pieces: Callable[[str], Sequence[str]]
    """Parts a text into what is synthesised at a time."""
    taps: Callable[[CallRecord], Sequence[CallTap]]
    """Whoever listens in on a call that begins: its recorder."""
    vad_threshold: float = 0.5
    barge_in: bool = True
    """Whether the other party can interrupt us."""


class LiveVoice:
    """One call's, from its placing to its end. Its recogniser connects while the phone rings."""

    def __init__(self, record: CallRecord, parts: LiveParts, door: CallDoor) -> None:
        self._parts = parts
        self._door = door
        self._record = record
        self._decided = record
        """May be newer: not stored yet."""
        self._call_id: CallId = record.call_id
        settings = record.settings
        self._mouth = Mouth(
            parts.voice,
            parts.tasks,
            self,
            pieces=parts.pieces,
            language=settings.language,
        )
        self._taker = TurnTaker(
            msgspec.structs.replace(
                parts.turns,
                end_silence_ms=settings.end_silence_ms,
                silence_prompt_ms=settings.silence_prompt_ms,
            )
        )
        self._ear = Ear(parts.vad_threshold)
        self._session: MediaSession | None = None
        self._stream = 0
        self._sounding: int | None = None
        self._taps = tuple(parts.taps(record))
        self._watch = Stopwatch()
        self._held = (0, 0.0)
        """The utterance that was held back last, and since when."""
        self._timer: TimerHandle | None = None
        self._timer_at = 0.0
        self._closed = False
        order = ListenOrder(settings.language, settings.end_silence_ms, parts.vad_threshold)
        self._recogniser = parts.recogniser.listen(order, self._recognised)
        parts.tasks.spawn("voice warm-up", parts.voice.warm_up())

    @property
    def watch(self) -> Stopwatch:
        """Takes the time of each turn's stages."""
        return self._watch

    def follow(self, record: CallRecord, decided: CallRecord) -> None:
        """Do what the stored record lists, and the decided one, which may be newer, still does."""
        self._record, self._decided = record, decided
        if self._closed:
            return
        thinking = record.reply is not None and not record.reply.begun
        self._taker.thinking(self._now(), thinking)
        says, current = _listed(record)
        still, _ = _listed(decided)
        self._mouth.follow([say for say in says if say in still], current=current)
        self._look_later()

    def forget(self, decided: CallRecord) -> None:
        """Stop doing what the decided record, stored or not, does not list any more."""
        self._decided = decided
        if not self._closed:
            self._mouth.forget(_listed(decided)[0])

    def attach(self, number: int, start: StreamStart, wire: Wire) -> MessageSink:
        """Hear and speak on this stream from now on."""
        parts = self._parts
        if self._session is not None:
            self._lose()
        session = MediaSession(parts.dialect, start, wire, parts.wheel, parts.clock, self)
        for tap in self._taps:
            session.add_tap(tap)
        self._session, self._stream = session, number
        self._ear = Ear(parts.vad_threshold)
        self._mouth.attach(session)
        return session

    def doubt_stream(self) -> None:
        """The line asks what to do next, as it does when its stream is over."""
        if self._session is not None:
            self._session.doubt()

    async def close(self) -> None:
        """Let go of the stream and of the vendors. Nothing is told afterwards."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        session, self._session = self._session, None
        if session is not None:
            self._part_with(session)
        for tap in self._taps:
            tap.close()
        await self._mouth.close()
        await self._recogniser.close()

    # What the mouth asks and tells.

    def may_begin(self, say: Say) -> bool:
        """Nobody is spoken over: an answer waits for the end of the other party's words, which
        may make it obsolete (F42); the owner's words wait for a while."""
        if self._sounding is not None or say.speaker is Speaker.OPENING:
            return True
        if not self._taker.caller_speaking:
            return True
        now = self._now()
        if self._held[0] != say.utterance:
            self._held = (say.utterance, now)
        if say.speaker is Speaker.OWNER and now - self._held[1] >= PATIENCE_S:
            return True
        self._look_at(now + HELD_LOOK_S)
        return False

    def first_audio(self, say: Say) -> None:
        if say.speaker is Speaker.AGENT:
            self._watch.first_audio(say.turn, self._now())

    def failed(self, say: Say, detail: str) -> None:
        self._door.tell(ev.UtteranceRefused(say.utterance, detail))

    def hushed(self, heard: Sequence[Say]) -> None:
        self._sounding = None
        self._taker.speaking(self._now(), None)
        for say in heard:
            self.utterance_played(say.utterance)

    # What the stream tells.

    def frame_heard(self, mulaw: bytes) -> None:
        session = self._session
        if session is None:
            return
        speech, onward = self._ear.hear(mulaw, session.playing_dbfs)
        if onward:
            self._recogniser.send(onward)
        self._act(self._taker.frame(self._now(), speech))
        if self._mouth.waiting:
            self._mouth.pump()

    def key_pressed(self, key: str) -> None:
        self._door.tell(ev.KeyPressed(key))

    def utterance_began(self, utterance: int) -> None:
        now = self._now()
        say = self._mouth.line(utterance)
        self._sounding = utterance
        if say is None:
            return
        conversation = self._record.settings.mode is Mode.CONVERSATION
        interruptible = self._parts.barge_in and conversation and say.speaker is not Speaker.OPENING
        self._taker.speaking(now, utterance, interruptible=interruptible, text=say.text)
        if say.speaker is not Speaker.AGENT:
            return
        times = self._watch.first_frame(say.turn, now)
        if times is not None:
            self._door.tell(ev.TurnTimed(say.turn, times))

    def utterance_played(self, utterance: int) -> None:
        self._silent_after(utterance)
        self._mouth.played(utterance)
        self._door.tell(ev.UtterancePlayed(utterance))

    def stream_lost(self, detail: str) -> None:
        if self._session is None:
            return
        for say, _, complete in self._mouth.stop():
            if complete:
                self._mouth.played(say.utterance)
                self._door.tell(ev.UtterancePlayed(say.utterance))
        self._lose()
        self._door.tell(ev.StreamClosed(self._stream, detail))

    # What comes of it.

    def _recognised(self, event: Recognised) -> None:
        if self._closed:
            return
        if isinstance(event, RecogniserDown) and event.final:
            self._door.tell(ev.LiveAudioFailed(f"recogniser: {event.detail}"))
            return
        self._act(self._taker.recognised(event, self._now()))
        if self._mouth.waiting:
            self._mouth.pump()

    def _act(self, actions: Sequence[TurnAction]) -> None:
        for action in actions:
            match action:
                case BargeIn():
                    self._fall_silent()
                case FalseAlarm():
                    self._door.tell(ev.InterruptionVoid())
                case Likely(text):
                    self._door.likely(text)
                case TurnOver():
                    self._turn_over(action)
                case CallerSilent(count):
                    self._door.tell(ev.CallerSilent(count))
                case FinishTurn():
                    self._recogniser.finish_turn()
                case NoText():
                    self._door.tell(ev.LiveAudioFailed("the recogniser gives no text"))
        self._look_later()

    def _turn_over(self, over: TurnOver) -> None:
        record = self._door.tell(ev.Heard(over.text, continuous=True, unspoken=self._unspoken()))
        if record.reply is not None:
            self._watch.turn_over(record.reply.turn, over.speech_ended, over.final_at)

    def _unspoken(self) -> int | None:
        """The utterance that the call is at, if not a sound of it has been made."""
        verb = self._decided.script.current
        if not isinstance(verb, Say) or self._mouth.has_begun(verb.utterance):
            return None
        return verb.utterance

    def _fall_silent(self) -> None:
        """At once; what was heard of it is told afterwards."""
        cut = self._mouth.stop()
        self._sounding = None
        self._taker.speaking(self._now(), None)
        for say, heard, complete in cut:
            if complete:
                self._mouth.played(say.utterance)
                self._door.tell(ev.UtterancePlayed(say.utterance))
            else:
                self._door.tell(ev.UtteranceInterrupted(say.utterance, heard))
                return

    def _silent_after(self, utterance: int) -> None:
        # The next one may have begun to be sent before the end of this one was heard.
        if self._sounding == utterance:
            self._sounding = None
            self._taker.speaking(self._now(), None)

    def _lose(self) -> None:
        session, self._session = self._session, None
        self._mouth.detach()
        self._sounding = None
        self._taker.speaking(self._now(), None)
        if session is not None:
            self._part_with(session)

    def _part_with(self, session: MediaSession) -> None:
        session.close()
        figures = msgspec.structs.asdict(session.figures())
        log.info("media stream over", extra={"call": self._call_id, **figures})

    def _look_later(self) -> None:
        """Turns end by time, too, when a carrier sends no frames."""
        at = self._taker.next_due
        if at is not None:
            self._look_at(at)

    def _look_at(self, at: float) -> None:
        if self._closed or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._parts.clock.call_later(max(0.0, at - self._now()), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._closed:
            return
        self._act(self._taker.tick(self._now()))
        self._mouth.pump()

    def _now(self) -> float:
        return self._parts.clock.monotonic()


def _listed(record: CallRecord) -> tuple[Sequence[Say], int | None]:
    """What is to be said now, one after another, and which of it the script is at. What stands
    behind keys waits for them."""
    if record.closing or not record.speaks_live or record.phase is Phase.ENDED:
        return (), None
    script = record.script
    says: list[Say] = []
    for verb in script.verbs[script.position :]:
        if isinstance(verb, Digits):
            break
        if isinstance(verb, Say):
            says.append(verb)
    verb = script.current
    # Before the answer there is no current one: what fails then may be tried again.
    at_it = verb if isinstance(verb, Say) and record.phase is Phase.UP else None
    return says, None if at_it is None else at_it.utterance
