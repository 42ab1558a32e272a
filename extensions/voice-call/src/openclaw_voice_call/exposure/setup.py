"""What an exposure is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.credentials import Credentials
from openclaw_voice_call.exposure.process import Patience
from openclaw_voice_call.interfaces.exposure import ExposureNews


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take, in seconds: less than the host gives to a start and to a stop."""

    open_s: float = 15.0
    """For the tunnel to give its URL, attempts that fail included."""
    command_s: float = 10.0
    """For a command that changes or asks something."""
    withdraw_s: float = 3.0
    """For all commands of a withdrawal together; the gateway is stopping."""
    first_retry_s: float = 1.0
    longest_retry_s: float = 60.0
    watch_s: float = 30.0
    """Between two looks at an exposure that has no process of its own."""
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class ExposureSetup:
    """Given to an exposure's `build`."""

    name: str
    """The exposure's, as the configuration says it."""
    config: VoiceCallConfig
    credentials: Credentials
    environ: Mapping[str, str] = field(repr=False)
    clock: Clock
    tasks: TaskOwner
    report: Callable[[ExposureNews], None]
    pace: Pace = Pace()
