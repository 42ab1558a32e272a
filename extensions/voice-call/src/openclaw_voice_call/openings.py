"""How calls begin: their first record, made of the request and of what is configured now."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from openclaw.sdk import Clock
from openclaw_voice_call.call.draft import Decision
from openclaw_voice_call.call.opening import open_inbound, open_outbound
from openclaw_voice_call.call.record import CallSettings
from openclaw_voice_call.call.types import CallId, Direction, Mode
from openclaw_voice_call.config.live import call_settings
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.interfaces.carrier import Carrier, InboundOffer
from openclaw_voice_call.reception import Welcome


class CallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is to be placed; what is None is decided by the configuration."""

    from_number: str
    to_number: str
    mode: Mode
    opening: str | None
    digits: str | None = None
    """Sent once it is answered, before anything is said."""
    session_key: str | None = None
    """Names another history than the one that the configuration would choose."""
    record_audio: bool | None = None


class Openings:
    """One for all calls. Reads `config` when a call begins; each keeps what it began with."""

    def __init__(
        self,
        carrier: Carrier,
        clock: Clock,
        config: VoiceCallConfig,
        new_call_id: Callable[[], CallId],
        *,
        live_audio: bool,
        native_voice: str | None,
    ) -> None:
        """`live_audio`: it works on this carrier. `native_voice`: the carrier's own voice that is
        like the configured one."""
        self.config = config
        self.live_audio = live_audio
        self._carrier = carrier
        self._clock = clock
        self._new_call_id = new_call_id
        self._native_voice = native_voice

    def outbound(self, request: CallRequest) -> Decision:
        """A call that is about to be dialled."""
        call_id = self._new_call_id()
        settings = self._settings(call_id, request.mode, request.to_number)
        if request.session_key is not None:
            settings = msgspec.structs.replace(settings, session_key=request.session_key)
        if request.record_audio is not None:
            settings = msgspec.structs.replace(settings, record_audio=request.record_audio)
        return open_outbound(
            call_id,
            carrier=self._carrier.name,
            from_number=request.from_number,
            to_number=request.to_number,
            settings=settings,
            opening=request.opening,
            now=self._clock.wall(),
            digits=request.digits,
        )

    def inbound(self, offer: InboundOffer, welcome: Welcome) -> Decision:
        """A call that is let in."""
        call_id = self._new_call_id()
        outbound = offer.direction is Direction.OUTBOUND
        other = offer.to_number if outbound else offer.from_number
        return open_inbound(
            call_id,
            carrier=self._carrier.name,
            carrier_call_id=offer.carrier_call_id,
            direction=offer.direction,
            from_number=offer.from_number,
            to_number=offer.to_number,
            settings=self._settings(call_id, welcome.mode, other),
            opening=welcome.opening,
            answered=self._carrier.features.markup,
            now=self._clock.wall(),
        )

    def _settings(self, call_id: CallId, mode: Mode, other_number: str) -> CallSettings:
        return call_settings(
            self.config,
            call_id,
            mode,
            other_number,
            live=self.live_audio,
            voice=self._native_voice,
        )
