"""How the mock network's people sound: as tones that carry their words, or as espeak speaks."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Callable
from typing import Final, TypeAlias

from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.audio.formats import PCM_24K, TelephonyStream
from openclaw_voice_call.errors import UnsupportedAudio

Voice: TypeAlias = Callable[[str], bytes]
"""From words to mu-law. It may take a moment: it is called in a thread."""

PROGRAMS: Final = ("espeak-ng", "espeak")
LONGEST_S: Final = 10.0

log = logging.getLogger("openclaw.plugins.voice-call")


def espeak_program() -> str | None:
    """Where the program is, if it is installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def espeak(program: str) -> Voice:
    """A voice that speaks in tones where the program fails."""

    def speak(text: str) -> bytes:
        try:
            # The words go in as input, so that none of them is taken for an option.
            run = subprocess.run(  # noqa: S603
                [program, "--stdin", "--stdout"],
                input=text.encode("utf-8", "replace"),
                capture_output=True,
                timeout=LONGEST_S,
                check=True,
            )
            stream = TelephonyStream(PCM_24K)
            audio = stream.feed(run.stdout) + stream.finish()
        except (OSError, subprocess.SubprocessError, UnsupportedAudio) as error:
            log.warning("espeak failed", extra={"error": type(error).__name__})
            return tone_code.encode(text)
        return audio or tone_code.encode(text)

    return speak
