"""All failures of the voice-call plugin.

    VoiceCallError
    ├── InvalidRequest              the owner's request cannot be carried out as written
    │   ├── CallNotFound
    │   ├── CallEnded
    │   ├── CallNotUp
    │   ├── AlreadyWaiting
    │   ├── TooManyRequests
    │   ├── OperationNotFound
    │   └── PairingNotFound
    ├── NotReady                    the plugin cannot work at all now
    │   ├── PluginDisabled
    │   ├── NotConfigured
    │   ├── Reconfiguring           a changed configuration is being taken up; ready in a moment
    │   ├── ExposureFailed          the tunnel that was to give the public URL did not
    │   └── ShuttingDown
    ├── AtCapacity
    ├── Overloaded                  live audio runs late; another call would degrade all of them
    ├── NobodyHeard                 a `continue` that got no words in time
    ├── UtteranceFailed
    ├── StoreError
    │   ├── JournalRefused
    │   ├── JournalUnreadable
    │   ├── JournalTooNew
    │   └── Conflict
    ├── CarrierError
    │   ├── CarrierRefused          the carrier understood and said no
    │   ├── CarrierBusy             429: not processed, safe to repeat
    │   ├── CarrierUnreachable      certainly not processed
    │   ├── CarrierOutcomeUnknown   may or may not have been processed
    │   ├── LineGone                the carrier has no such live call (any more)
    │   └── NotSupported            this carrier cannot do that at all
    ├── SpeechFailed                a voice could not say it, or not all
    ├── UnsupportedAudio            audio of a kind that is not converted, or not audio at all
    ├── MediaMalformed              not a message of the carrier's media protocol
    ├── StreamRefused               a media stream that is not expected (any more)
    ├── PlayoutFull                 more speech than may wait to be sent
    └── WebhookError
        ├── SignatureError
        └── WebhookMalformed

Every class has a stable `code` that reaches each door unchanged, `retryable` tells whether trying
again can help, and `remedy` says what the owner can do. No message holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class VoiceCallError(Exception):
    """Root of the tree; `str()` is the text for people."""

    code: ClassVar[str] = "voice_call_error"
    retryable: ClassVar[bool] = False
    remedy: str | None = None


class InvalidRequest(VoiceCallError):
    """A missing or wrong argument, named in the text."""

    code: ClassVar[str] = "invalid_request"


class CallNotFound(InvalidRequest):
    code: ClassVar[str] = "call_not_found"

    def __init__(self) -> None:
        super().__init__("Call not found")
        self.remedy = "List the calls with: openclaw voicecall status"


class CallEnded(InvalidRequest):
    """The call is over, so nothing more can be said on it."""

    code: ClassVar[str] = "call_ended"

    def __init__(self, state: str, end_reason: str | None, ended_at_ms: int | None) -> None:
        super().__init__(
            f"call is not active (last state={state}, endReason={end_reason}, "
            f"endedAt={ended_at_ms})"
        )
        self.state = state
        self.end_reason = end_reason


class CallNotUp(InvalidRequest):
    """The request needs an answered call, and this one is still being placed."""

    code: ClassVar[str] = "call_not_up"

    def __init__(self, state: str) -> None:
        super().__init__(f"call is not answered yet (state={state})")
        self.remedy = "Wait until `openclaw voicecall status` shows the call as answered."


class AlreadyWaiting(InvalidRequest):
    """A `continue` is pending; a second one would compete for the same words."""

    code: ClassVar[str] = "already_waiting"

    def __init__(self) -> None:
        super().__init__("Already waiting for transcript")
        self.remedy = "Wait for the pending continue, or read it with voicecall.continue.result."


class TooManyRequests(InvalidRequest):
    """As many requests of a call as are kept wait for their turn on the line."""

    code: ClassVar[str] = "too_many_requests"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests of this call are not carried out yet")
        self.remedy = "Wait until some of what was asked for has been said."


class OperationNotFound(InvalidRequest):
    code: ClassVar[str] = "operation_not_found"

    def __init__(self) -> None:
        super().__init__("operation not found")


class PairingNotFound(InvalidRequest):
    code: ClassVar[str] = "pairing_not_found"

    def __init__(self) -> None:
        super().__init__("no caller waits for approval with this code or number")
        self.remedy = "See who waits with: openclaw voicecall pairing list"


class NotReady(VoiceCallError):
    code: ClassVar[str] = "not_ready"


class PluginDisabled(NotReady):
    code: ClassVar[str] = "plugin_disabled"

    def __init__(self) -> None:
        super().__init__("Voice call disabled in plugin config")
        self.remedy = "Set plugins.entries.voice-call.config.enabled to true, or remove it."


class NotConfigured(NotReady):
    """The plugin's section is wrong or incomplete; `problems` lists every point."""

    code: ClassVar[str] = "not_configured"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
        self.remedy = "Correct the configuration; a running gateway takes it up."


class Reconfiguring(NotReady):
    code: ClassVar[str] = "reconfiguring"
    retryable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__("The voice-call plugin is taking up a changed configuration")


class ExposureFailed(NotReady):
    """The webhook port has no public URL: the tunnel's program is missing, refuses or ended.

    `exposure` is the tunnel's name in the configuration, `enable_url` a page on which the owner can
    allow what was refused.
    """

    code: ClassVar[str] = "exposure_failed"

    def __init__(
        self,
        exposure: str,
        reason: str,
        *,
        remedy: str | None = None,
        enable_url: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(f"{exposure}: {reason}")
        self.exposure = exposure
        self.reason = reason
        self.enable_url = enable_url
        self.may_pass = retryable
        """Whether trying again can help: the network was away, not the permission."""
        self.remedy = remedy


class ShuttingDown(NotReady):
    code: ClassVar[str] = "shutting_down"
    retryable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__("The gateway is stopping")


class AtCapacity(VoiceCallError):
    code: ClassVar[str] = "at_capacity"
    retryable: ClassVar[bool] = True

    def __init__(self, max_live: int) -> None:
        super().__init__(f"Maximum concurrent calls ({max_live}) reached")
        self.max_live = max_live
        self.remedy = "End a call, or raise plugins.entries.voice-call.config.maxConcurrentCalls."


class Overloaded(VoiceCallError):
    """Audio leaves later than it should: a further call would make all of them stutter."""

    code: ClassVar[str] = "overloaded"
    retryable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__("this machine is too busy to carry the audio of another call")
        self.remedy = "Wait until calls have ended; docs/operations.md says how to size."


class NobodyHeard(VoiceCallError):
    code: ClassVar[str] = "transcript_timeout"
    retryable: ClassVar[bool] = True

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(f"Timed out waiting for transcript after {timeout_ms}ms")


class UtteranceFailed(VoiceCallError):
    code: ClassVar[str] = "utterance_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The message could not be played: {reason}")


class StoreError(VoiceCallError):
    code: ClassVar[str] = "store_error"


class JournalRefused(StoreError):
    """The journal cannot write (disk full, I/O error, locked); nothing was stored."""

    code: ClassVar[str] = "journal_refused"
    retryable: ClassVar[bool] = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"The call journal cannot be written: {reason}")
        self.remedy = "Check free space and permissions of voice-calls in the state folder."


class JournalUnreadable(StoreError):
    """The journal cannot be read (missing, damaged, locked)."""

    code: ClassVar[str] = "journal_unreadable"
    retryable: ClassVar[bool] = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"The call journal cannot be read: {reason}")
        self.remedy = "Check the state folder's voice-calls directory; the gateway creates it."


class JournalTooNew(StoreError):
    """The file was written by a newer version of this plugin, whose form is not known here."""

    code: ClassVar[str] = "journal_too_new"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"The call journal has version {found}, this program knows {known}")
        self.remedy = "Upgrade openclaw-voice-call, or use another `store` folder."


class Conflict(StoreError):
    """Somebody else committed this call first, or this occurrence is already stored."""

    code: ClassVar[str] = "conflict"
    retryable: ClassVar[bool] = True

    def __init__(self, call_id: str) -> None:
        super().__init__(f"call {call_id} was changed by someone else")
        self.call_id = call_id


class CarrierError(VoiceCallError):
    """A carrier's failure: `vendor_code` is its own error code, `status` the HTTP status."""

    code: ClassVar[str] = "carrier_error"

    def __init__(
        self,
        message: str,
        *,
        vendor_code: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.vendor_code = vendor_code
        self.status = status
        self.retry_after_s = retry_after_s


class CarrierRefused(CarrierError):
    code: ClassVar[str] = "carrier_refused"


class CarrierBusy(CarrierError):
    code: ClassVar[str] = "carrier_busy"
    retryable: ClassVar[bool] = True


class CarrierUnreachable(CarrierError):
    code: ClassVar[str] = "carrier_unreachable"
    retryable: ClassVar[bool] = True


class CarrierOutcomeUnknown(CarrierError):
    code: ClassVar[str] = "carrier_outcome_unknown"


class LineGone(CarrierError):
    code: ClassVar[str] = "line_gone"


class NotSupported(CarrierError):
    """This carrier has no such ability; its features say so."""

    code: ClassVar[str] = "not_supported"


class SpeechFailed(VoiceCallError):
    """A voice said nothing, or with `partial` not all: `vendor` names it, `vendor_code` is its own
    error code."""

    code: ClassVar[str] = "speech_failed"
    retryable: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        vendor: str,
        vendor_code: str | None = None,
        status: int | None = None,
        partial: bool = False,
    ) -> None:
        super().__init__(message)
        self.vendor = vendor
        self.vendor_code = vendor_code
        self.status = status
        self.partial = partial


class UnsupportedAudio(VoiceCallError):
    """What was to be sent to a caller is not audio that can be converted; `found` names it."""

    code: ClassVar[str] = "unsupported_audio"

    def __init__(self, found: str) -> None:
        super().__init__(f"{found} cannot be played on a telephone line")
        self.found = found
        self.remedy = "Ask for uncompressed audio, raw or WAV, at 8 kHz or more."


class MediaMalformed(VoiceCallError):
    """Not a message of the carrier's media protocol."""

    code: ClassVar[str] = "media_malformed"


class StreamRefused(VoiceCallError):
    """A media stream that nobody waits for, or does not wait for any more."""

    code: ClassVar[str] = "stream_refused"


class PlayoutFull(VoiceCallError):
    """More speech than may wait to be sent to one call."""

    code: ClassVar[str] = "playout_full"
    retryable: ClassVar[bool] = True


class WebhookError(VoiceCallError):
    code: ClassVar[str] = "webhook_error"


class SignatureError(WebhookError):
    """The request was not signed by the carrier for this URL; nothing of it is believed."""

    code: ClassVar[str] = "bad_signature"


class WebhookMalformed(WebhookError):
    """Signed, but not a request of the documented form."""

    code: ClassVar[str] = "webhook_malformed"
