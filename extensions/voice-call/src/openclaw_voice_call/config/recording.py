"""The section about recording calls."""

from openclaw_voice_call.config.base import NotNegative, Section


class RecordingConfig(Section):
    """Recording of calls, off unless it is asked for. In many places the other party must be told,
    or must agree; see docs/operations.md."""

    enabled: bool = False
    """Whether calls with live audio are recorded, each as a stereo WAV beside the call journal:
    the other party on the left, the agent on the right."""
    retention_days: NotNegative = 30
    """After how many days a recording is deleted; 0: never."""
