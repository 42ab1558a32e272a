"""What a recogniser is built from."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.config.streaming import StreamingConfig
from openclaw_voice_call.speech.recogniser import Patience
from openclaw_voice_call.speech.stt_socket import Dial


@dataclass(frozen=True, slots=True)
class SttSetup:
    """Given to a vendor's `build`. What lives belongs to whoever made it."""

    streaming: StreamingConfig
    key: SecretStr | None
    """The chosen vendor's; None where it needs none."""
    dial: Dial
    clock: Clock
    tasks: TaskOwner
    patience: Patience | None = None
    """None: the usual one."""

    def secret(self) -> str | None:
        return None if self.key is None else self.key.get_secret_value()
