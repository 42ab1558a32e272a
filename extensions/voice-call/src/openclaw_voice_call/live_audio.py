"""Live audio, put together from what the configuration names: an ear, a voice, and a timer; and
the recording of what is heard."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from openclaw.sdk import Clock, PluginApi
from openclaw_voice_call.call.live import SAY_AGAIN, STILL_THERE
from openclaw_voice_call.call.record import DEFAULT_LANGUAGE, CallRecord
from openclaw_voice_call.call.turns import APOLOGY
from openclaw_voice_call.config.live import greeting
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.conversation.sentences import sentences
from openclaw_voice_call.credentials import vendor_keys
from openclaw_voice_call.interfaces.media import MediaDialect
from openclaw_voice_call.interfaces.speech import SpeechOrder, SpeechToText, TextToSpeech
from openclaw_voice_call.interfaces.stream_links import StreamLinks
from openclaw_voice_call.media.live_voice import CallTap, LiveParts
from openclaw_voice_call.media.recorder import Recorders
from openclaw_voice_call.media.turns import TurnSettings
from openclaw_voice_call.media.wheel import TimerWheel
from openclaw_voice_call.speech.cached_voice import CachedVoice
from openclaw_voice_call.speech.registry import build_recogniser, recogniser_problem
from openclaw_voice_call.speech.voice_setup import VoiceParts
from openclaw_voice_call.speech.voices import VoicePlan, build_voice, resolve_voice
from openclaw_voice_call.store.recording_writer import RecordingWriter, Tell
from openclaw_voice_call.store.recordings import RecordingFolder
from openclaw_voice_call.store.stream_key import stream_key
from openclaw_voice_call.webhook.places import PlaceLimits
from openclaw_voice_call.webhook.streams import StreamLimits

DELETE_EVERY_S: Final = 6 * 3600.0

log = logging.getLogger("openclaw.plugins.voice-call")


@dataclass(frozen=True, slots=True)
class LiveAudio:
    """What lives as long as the runtime does. `close` gives the vendors back."""

    recogniser: SpeechToText
    voice: TextToSpeech
    wheel: TimerWheel
    links: StreamLinks

    def parts(
        self,
        api: PluginApi,
        config: VoiceCallConfig,
        dialect: MediaDialect,
        taps: Callable[[CallRecord], Sequence[CallTap]],
    ) -> LiveParts:
        """What live calls on a carrier with this dialect share."""
        streaming = config.streaming
        return LiveParts(
            recogniser=self.recogniser,
            voice=self.voice,
            dialect=dialect,
            wheel=self.wheel,
            clock=api.clock,
            tasks=api.tasks,
            turns=TurnSettings(),
            pieces=sentences,
            taps=taps,
            vad_threshold=streaming.vad_threshold,
            barge_in=streaming.barge_in,
        )

    def overloaded(self, config: VoiceCallConfig) -> bool:
        """Whether audio leaves later than the configuration allows."""
        limit_ms = config.streaming.max_lateness_ms
        return limit_ms > 0 and self.wheel.lateness_ms > limit_ms

    async def close(self) -> None:
        await self.voice.close()


def live_audio_problems(api: PluginApi, config: VoiceCallConfig) -> Sequence[str]:
    """Why live audio cannot work as configured, one line each; empty when it can, or is off."""
    if not config.streaming.enabled:
        return ()
    found = (recogniser_problem(config, api.environ), _voices(api, config).problem)
    return [problem for problem in found if problem is not None]


def open_live_audio(
    api: PluginApi,
    config: VoiceCallConfig,
    *,
    session: aiohttp.ClientSession,
    stream_url: str,
    folder: Path,
) -> LiveAudio | None:
    """None when live audio is off, or cannot work (F4): calls are then served by the carrier's own
    voice and recognition. Raises JournalUnreadable."""
    if not config.streaming.enabled:
        return None
    problems = live_audio_problems(api, config)
    for problem in problems:
        log.error(
            "live audio is off, calls use the carrier's own voice and recognition: %s", problem
        )
    if problems:
        return None
    plan = _voices(api, config)
    for warning in plan.warnings:
        log.warning(warning)
    return LiveAudio(
        recogniser=build_recogniser(
            config,
            vendor_keys(config, api.environ),
            session=session,
            clock=api.clock,
            tasks=api.tasks,
        ),
        voice=_known_phrases(
            CachedVoice(build_voice(plan, VoiceParts(session, api.clock)), api.clock, api.tasks),
            config,
        ),
        wheel=TimerWheel(api.clock),
        links=StreamLinks(stream_url, stream_key(folder)),
    )


def stream_limits(config: VoiceCallConfig) -> StreamLimits:
    """The limits of the stream door."""
    streaming = config.streaming
    return StreamLimits(
        pre_start_s=streaming.pre_start_timeout_ms / 1000,
        places=PlaceLimits(
            pending_per_address=streaming.max_pending_connections_per_ip,
            pending=streaming.max_pending_connections,
            open=streaming.max_connections,
        ),
    )


def _known_phrases(voice: CachedVoice, config: VoiceCallConfig) -> CachedVoice:
    """The same voice, which begins now to learn what every call may need at once."""
    for text in (greeting(config), SAY_AGAIN, STILL_THERE, APOLOGY, *config.filler_phrases):
        for piece in sentences(text):
            voice.prepare(SpeechOrder(piece, DEFAULT_LANGUAGE))
    return voice


@asynccontextmanager
async def recording(
    folder: Path, tell: Tell
) -> AsyncGenerator[Callable[[CallRecord], Sequence[CallTap]]]:
    """Gives who records a call, if it is to be recorded: files beside the journal in `folder`.

    `tell` takes what the call's journal is to know. At the end all that was heard is written.
    """
    writer = RecordingWriter(RecordingFolder(folder), tell)
    recorders = Recorders(writer.open)
    try:
        yield recorders.taps
    finally:
        recorders.close()
        await writer.close()


async def delete_old_recordings(folder: Path, keep_days: Callable[[], int], clock: Clock) -> None:
    """Now and then, for as long as it runs; 0 days keep all."""
    recordings = RecordingFolder(folder)
    while True:
        days = keep_days()
        if days > 0:
            try:
                deleted = await asyncio.to_thread(
                    recordings.delete_older, clock.wall() - days * 86_400.0
                )
            except OSError as error:
                log.warning("old recordings not deleted", extra={"reason": error.strerror})
            else:
                if deleted:
                    log.info("old recordings deleted", extra={"count": deleted})
        await clock.sleep(DELETE_EVERY_S)


def _voices(api: PluginApi, config: VoiceCallConfig) -> VoicePlan:
    return resolve_voice(config.tts, api.host_config, api.environ, find_program=shutil.which)
