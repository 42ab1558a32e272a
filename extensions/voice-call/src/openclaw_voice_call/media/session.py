"""One open media stream: the carrier's messages on one side, frames and utterances on the other.

What comes in is handed on at once, in the same call, without task or queue. What goes out waits in
a `Playout` and leaves as the process's `TimerWheel` says.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from openclaw.sdk import Clock
from openclaw_voice_call.audio.playout import Cut, Message, Playout, PlayoutLimits
from openclaw_voice_call.interfaces.media import (
    BYTES_PER_MS,
    FRAME_BYTES,
    FRAME_MS,
    AudioIn,
    KeyIn,
    MarkReached,
    MediaDialect,
    MediaMessage,
    StreamStart,
    StreamStopped,
    StreamTrouble,
    Wire,
)
from openclaw_voice_call.media.far_level import FarLevel
from openclaw_voice_call.media.reorder import Reorder
from openclaw_voice_call.media.wheel import TimerWheel

_log = logging.getLogger(__name__)
_MOST_TROUBLES: Final = 16
"""Kinds of trouble that one stream may log."""
_LEFT_S: Final = 2.0
"""Without audio for so long, a stream that its line seems to have left is over."""
_POLICY_VIOLATION: Final = 1008
"""RFC 6455, 7.4.1."""


class StreamListener(Protocol):
    """Who lives behind a stream. Nothing here blocks or raises; all may call the session."""

    def frame_heard(self, mulaw: bytes) -> None:
        """The other party's next 20 ms, 160 bytes."""
        ...

    def key_pressed(self, key: str) -> None: ...

    def utterance_began(self, utterance: int) -> None:
        """Its first frame was sent."""
        ...

    def utterance_played(self, utterance: int) -> None:
        """The carrier has played it to its end, or must have."""
        ...

    def stream_lost(self, detail: str) -> None:
        """The stream is over, once, and not by our own `close`; `stop` tells what was heard."""
        ...


class AudioTap(Protocol):
    """Listens to a stream: a recorder, a listen-in. Nothing here blocks or raises.

    `at` is monotonic time, in seconds.
    """

    def inbound(self, at: float, mulaw: bytes) -> None:
        """A frame of the other party came."""
        ...

    def outbound(self, at: float, mulaw: bytes) -> None:
        """Ours, whole frames; the other party hears the first of them at `at`, soon."""
        ...

    def cleared(self, at: float) -> None:
        """What the other party was to hear from `at` on has been dropped."""
        ...


class SessionLimits(msgspec.Struct, frozen=True):
    """When a stream is given up, and how much speech may wait for it."""

    no_audio_s: float = 30.0
    """Without any inbound audio for so long, the other party is gone."""
    most_unsent_bytes: int = 64 * 1024
    """What may wait for a network that does not take it; about 5 s of audio."""
    playout: PlayoutLimits = PlayoutLimits()


class StreamFigures(msgspec.Struct):
    """What a stream has carried; ms of audio, counted in frames."""

    heard_ms: int = 0
    sent_ms: int = 0
    underruns: int = 0
    lost_messages: int = 0


class MediaSession:
    """A `MessageSink` that speaks. All its methods belong to the event loop's thread.

    After the stream has ended nothing has an effect any more, and nothing is refused.
    """

    # Here and in all else that every frame passes: with hundreds of calls, each attribute that lies
    # in a dictionary of its own is one more thing that has left the processor's cache.
    __slots__ = (
        "_clock",
        "_cuts",
        "_dialect",
        "_far_level",
        "_figures",
        "_heard_at",
        "_limits",
        "_listener",
        "_open",
        "_playout",
        "_pump_alarm",
        "_reorder",
        "_rest",
        "_silent",
        "_stream_id",
        "_taps",
        "_to_clear",
        "_troubles",
        "_wire",
    )

    def __init__(
        self,
        dialect: MediaDialect,
        start: StreamStart,
        wire: Wire,
        wheel: TimerWheel,
        clock: Clock,
        listener: StreamListener,
        limits: SessionLimits | None = None,
    ) -> None:
        self._dialect = dialect
        self._stream_id = start.stream_id
        self._wire = wire
        self._clock = clock
        self._listener = listener
        self._limits = limits or SessionLimits()
        self._taps: tuple[AudioTap, ...] = ()
        self._figures = StreamFigures()
        self._troubles: set[str] = set()
        self._open = True
        # In
        self._reorder = Reorder() if dialect.reorders else None
        self._rest = b""
        self._heard_at = clock.monotonic()
        self._silent = wheel.alarm(self._judge_silence)
        self._silent.at(self._heard_at + self._limits.no_audio_s)
        # Out
        self._playout = Playout(self._limits.playout)
        self._pump_alarm = wheel.alarm(self._tick)
        self._far_level = FarLevel()
        self._to_clear = False
        """Something was sent since the last clear."""
        self._cuts: tuple[Cut, ...] = ()
        """What was heard of each utterance when the stream ended."""

    # --- in -----------------------------------------------------------------------------------

    def feed(self, message: str | bytes) -> None:
        """Take the socket's next message. Raises MediaMalformed."""
        read = self._dialect.read(message)
        if isinstance(read, AudioIn):
            if self._open:
                self._take_audio(read)
        elif read is not None and self._open:
            self._take(read)

    def closed(self) -> None:
        """The socket is gone."""
        self._lose("the stream's socket closed", code=None)

    def doubt(self) -> None:
        """The line does what it does after a stream: this one is over, unless audio still comes."""
        if self._clock.monotonic() - self._heard_at >= _LEFT_S:
            self._lose("the line has left the stream", code=1000)

    def _take_audio(self, audio: AudioIn) -> None:
        now = self._heard_at = self._clock.monotonic()
        mulaw = audio.mulaw
        if self._reorder is not None and audio.chunk is not None:
            for in_order in self._reorder.add(audio.chunk, mulaw):
                self._frames(now, in_order)
        elif len(mulaw) == FRAME_BYTES and not self._rest:
            self._frame(now, mulaw)
        else:
            self._frames(now, mulaw)

    def _frames(self, now: float, mulaw: bytes) -> None:
        mulaw = self._rest + mulaw
        whole = len(mulaw) - len(mulaw) % FRAME_BYTES
        self._rest = mulaw[whole:]
        for begin in range(0, whole, FRAME_BYTES):
            self._frame(now, mulaw[begin : begin + FRAME_BYTES])

    def _frame(self, now: float, mulaw: bytes) -> None:
        if not self._open:  # ended by what was made of the frame before
            return
        self._figures.heard_ms += FRAME_MS
        for tap in self._taps:
            tap.inbound(now, mulaw)
        self._listener.frame_heard(mulaw)

    def _take(self, message: MediaMessage) -> None:
        match message:
            case MarkReached(name):
                self._report((), self._playout.reached(name))
                self._pump()
            case KeyIn(key):
                self._listener.key_pressed(key)
            case StreamStopped(reason):
                self._lose(reason or "the carrier ended the stream", code=1000)
            case StreamStart(stream_id=other) if other != self._stream_id:
                # A redirected call may begin another stream on the same socket. It is not
                # the one that was admitted, so it has to come in by the door, with its own pass.
                self._lose("the carrier began another stream", code=1000)
            case StreamTrouble(code, detail):
                self._note(code, detail)
            case _:
                pass

    def _note(self, code: str, detail: str) -> None:
        if code not in self._troubles and len(self._troubles) < _MOST_TROUBLES:
            self._troubles.add(code)
            fields = {"stream": self._stream_id, "trouble": code, "detail": detail}
            _log.warning("the carrier could not use what was sent to it", extra=fields)

    def _judge_silence(self) -> None:
        patience = self._limits.no_audio_s
        if self._clock.monotonic() < self._heard_at + patience:
            self._silent.at(self._heard_at + patience)
        else:
            self._lose(f"no audio for {patience:g} s", code=1000)

    # --- out ----------------------------------------------------------------------------------

    def begin(self, utterance: int, text: str) -> None:
        """Line up an utterance after those before it. Raises PlayoutFull."""
        if self._open:
            self._playout.begin(utterance, text)

    def room_ms(self, utterance: int) -> int:
        """How much audio of this utterance may be added now."""
        return self._playout.room_ms(utterance)

    def add(self, utterance: int, mulaw: bytes) -> bool:
        """Add audio of an utterance, in pieces of any length.

        False: it is not wanted any more. Raises PlayoutFull for more than `room_ms`.
        """
        wanted = self._playout.add(utterance, mulaw)
        if wanted:
            self._pump()
        return wanted

    def finish(self, utterance: int) -> bool:
        """All audio of the utterance has been added.

        False: it had none, or is not wanted any more, and it will not be reported as played.
        """
        wanted = self._playout.finish(utterance)
        self._pump()
        return wanted

    def drop(self, utterance: int) -> bool:
        """Take out an utterance of which nothing was sent; False if there is none such."""
        dropped = self._playout.drop(utterance)
        self._pump()
        return dropped

    def stop(self) -> tuple[Cut, ...]:
        """Be silent at once; gives what was heard of each utterance that was not yet confirmed.

        None of them is reported as played afterwards. After the end of the stream: what had been
        heard by then, the first time that it is asked.
        """
        if not self._open:
            cuts, self._cuts = self._cuts, ()
            return cuts
        now = self._clock.monotonic()
        cuts = self._playout.stop(now)
        if self._to_clear:
            self._to_clear = False
            self._wire.send(self._dialect.clear(self._stream_id))
            for tap in self._taps:
                tap.cleared(now)
        self._far_level.clear()
        self._pump_alarm.at(None)
        return cuts

    @property
    def playing_dbfs(self) -> float | None:
        """The level of what the other party heard when its newest audio came here; None: nothing
        was played."""
        return self._far_level.dbfs(self._heard_at)

    def add_tap(self, tap: AudioTap) -> None:
        """Let `tap` hear both sides from now on."""
        self._taps = (*self._taps, tap)

    def figures(self) -> StreamFigures:
        """What the stream has carried so far."""
        lost = self._reorder.lost if self._reorder else 0
        return msgspec.structs.replace(
            self._figures, underruns=self._playout.underruns, lost_messages=lost
        )

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the stream ourselves; nothing is reported afterwards."""
        if self._open:
            self._end()
            self._wire.close(code, reason)

    def _tick(self) -> None:
        """The wheel's call. A stall is judged here, so that whoever adds audio is not told of the
        stream's end in the middle of it."""
        self._pump()
        if self._wire.unsent > self._limits.most_unsent_bytes:
            detail = "stalled: the carrier does not take our audio"
            self._lose(detail, code=_POLICY_VIOLATION)

    def _pump(self) -> None:
        """Send all that is due, and ask to be called for the rest."""
        if not self._open:
            return
        now = self._clock.monotonic()
        began: list[int] = []
        while (message := self._playout.take(now)) is not None:
            self._send(message)
            if message.begins is not None:
                began.append(message.begins)
        played = self._playout.confirmed_by(now)
        self._pump_alarm.at(self._playout.next_at())
        self._report(began, played)

    def _report(self, began: Sequence[int], played: Sequence[int]) -> None:
        for utterance in began:
            if self._open:
                self._listener.utterance_began(utterance)
        for utterance in played:
            if self._open:
                self._listener.utterance_played(utterance)

    def _send(self, message: Message) -> None:
        if message.mulaw:
            self._to_clear = True
            self._wire.send(self._dialect.audio(self._stream_id, message.mulaw))
            self._far_level.add(message.plays_at, message.mulaw)
            self._figures.sent_ms += len(message.mulaw) // BYTES_PER_MS
            for tap in self._taps:
                tap.outbound(message.plays_at, message.mulaw)
        if message.mark is not None:
            self._wire.send(self._dialect.mark(self._stream_id, message.mark))

    # --- end ----------------------------------------------------------------------------------

    def _lose(self, detail: str, *, code: int | None) -> None:
        """End the stream and report it, once. `code` None: the socket is closed already."""
        if not self._open:
            return
        self._end()
        if code is not None:
            self._wire.close(code, "")
        self._listener.stream_lost(detail)

    def _end(self) -> None:
        self._open = False
        now = self._clock.monotonic()
        self._cuts = self._playout.stop(now)
        for tap in self._taps:
            tap.cleared(now)
        self._far_level.clear()
        self._silent.at(None)
        self._pump_alarm.at(None)
