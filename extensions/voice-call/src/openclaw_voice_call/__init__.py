"""The voice-call plugin: phone calls for OpenClaw agents."""

__version__ = "0.1.0"
