"""What every door needs: the way to the service, and how a failure is told.

Failures are translated here and nowhere else. Light, because the command line imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from openclaw_voice_call.errors import InvalidRequest, VoiceCallError

if TYPE_CHECKING:
    from openclaw_voice_call.service import CallService


class ServiceDoor(Protocol):
    """The way to the use cases, whether or not the plugin can work."""

    def service(self) -> CallService:
        """Raises NotConfigured, PluginDisabled, ShuttingDown or another reason why there is none.

        The reason is the same at every door (F77, F79).
        """
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as the doors tell it.

    `protocol_code` is the outer code of the gateway protocol, `code` ours, which is stable.
    RPC sends all of it, the tool gives `{"error": text}`, the command line prints `line` and
    the remedy.
    """

    text: str
    code: str
    protocol_code: str
    retryable: bool
    remedy: str | None

    @property
    def line(self) -> str:
        """For people, with the code for those who search for it."""
        return f"{self.text} ({self.code})"


def failure_of(error: VoiceCallError) -> Failure:
    """The one translation of this package's errors."""
    return Failure(
        text=str(error) or error.code,
        code=error.code,
        protocol_code="INVALID_REQUEST" if isinstance(error, InvalidRequest) else "UNAVAILABLE",
        retryable=error.retryable,
        remedy=error.remedy,
    )
