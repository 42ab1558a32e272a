"""A recognition service on this machine, for the sentences of this demonstration.

It answers in the form of Deepgram's live recognition, so the gateway uses its own client for it:
https://developers.deepgram.com/reference/speech-to-text/listen-streaming.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from examples.demo.phrases import Heard, PhraseEar
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.interfaces.speech import Partial, SpeechStarted

TEXT_DELAY_S: Final = 0.1
"""What a network and a busy service would take for a text."""
DEFAULT_ENDPOINTING_MS: Final = 10
LARGEST_MESSAGE: Final = 1 << 16


@contextmanager
def recogniser(sounds: Mapping[str, bytes]) -> Generator[str]:
    """Serves until the end of the block; gives its base URL. `sounds`: sentences as mu-law."""

    def serve_one(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            _Session(socket, sounds).run()

    with serve(serve_one, "127.0.0.1", 0, max_size=LARGEST_MESSAGE) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = int(server.socket.getsockname()[1])
        try:
            yield f"ws://127.0.0.1:{port}/v1"
        finally:
            server.shutdown()
            thread.join(timeout=5)


class _Session:
    """One connection, which is one call."""

    def __init__(self, socket: ServerConnection, sounds: Mapping[str, bytes]) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        silence = query.get("endpointing", [str(DEFAULT_ENDPOINTING_MS)])[0]
        self._ear = PhraseEar(sounds, int(silence))
        self._socket = socket
        self._heard_s = 0.0
        self._final_s = 0.0
        """Where the last final ended, in seconds of audio."""

    def run(self) -> None:
        for message in self._socket:
            if isinstance(message, bytes):
                self._heard_s += len(message) / BYTES_PER_MS / 1000
                self._tell(self._ear.hear(message))
                continue
            order = cast("Mapping[str, object]", json.loads(message)).get("type")
            if order == "Finalize":
                self._tell(self._ear.finish(), finalized=True)
            elif order == "CloseStream":
                return

    def _tell(self, heard: Iterable[Heard], *, finalized: bool = False) -> None:
        for each in heard:
            if isinstance(each, SpeechStarted):
                self._send({"type": "SpeechStarted", "channel": [0], "timestamp": self._heard_s})
                continue
            final = not isinstance(each, Partial)
            if final:
                time.sleep(TEXT_DELAY_S)
            self._send(
                {
                    "type": "Results",
                    "channel_index": [0, 1],
                    "start": self._final_s,
                    "duration": self._heard_s - self._final_s,
                    "is_final": final,
                    "speech_final": final,
                    "from_finalize": finalized,
                    "channel": {"alternatives": [{"transcript": each.text, "confidence": 1.0}]},
                }
            )
            if final:
                self._final_s = self._heard_s

    def _send(self, message: Mapping[str, object]) -> None:
        self._socket.send(json.dumps(message))
