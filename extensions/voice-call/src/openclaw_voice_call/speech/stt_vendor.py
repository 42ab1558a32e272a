"""A vendor that is reached over a connection for each call."""

from __future__ import annotations

from collections.abc import Callable

from openclaw_voice_call.interfaces.speech import ListenOrder, Recognised
from openclaw_voice_call.speech.recogniser import ListeningLine
from openclaw_voice_call.speech.stt_protocol import SttProtocol
from openclaw_voice_call.speech.stt_setup import SttSetup


class ConnectedVendor:
    """Implements `interfaces.speech.SpeechToText`: a new protocol object for each connection."""

    def __init__(
        self, name: str, setup: SttSetup, protocol_for: Callable[[ListenOrder], SttProtocol]
    ) -> None:
        self._name = name
        self._setup = setup
        self._protocol_for = protocol_for

    @property
    def name(self) -> str:
        return self._name

    def listen(self, order: ListenOrder, hear: Callable[[Recognised], None]) -> ListeningLine:
        """Begin to connect at once."""
        return ListeningLine(
            self._name,
            lambda: self._protocol_for(order),
            hear,
            dial=self._setup.dial,
            clock=self._setup.clock,
            tasks=self._setup.tasks,
            patience=self._setup.patience,
        )
