"""Which URLs the world calls, and where the webhook server is reached on this machine. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.interfaces.exposure import PublicUrls

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_STREAM_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def plan_urls(public_url: str, config: VoiceCallConfig, webhook_path: str = "") -> PublicUrls:
    """The two URLs that follow from the public one.

    A `public_url` without path gets `webhook_path`, or that of `serve`. The stream is on the same
    host under `streaming.streamPath`, unless `streaming.publicUrl` says where: a proxy that
    rewrites paths decides where the stream is, and no rule can guess it.
    """
    webhook = _with_path(public_url, webhook_path or config.serve.path)
    streaming = config.streaming
    base = streaming.public_url
    if base is None:
        parts = urlsplit(webhook)
        base = f"{parts.scheme}://{parts.netloc}"
    parts = urlsplit(_with_path(base, streaming.stream_path))
    stream = f"{_STREAM_SCHEMES[parts.scheme]}://{parts.netloc}{parts.path}"
    return PublicUrls(webhook, stream)


def local_origin(bind: str, port: int) -> str:
    """`http://host:port` at which this machine reaches a server that is bound so."""
    host = _ANY_ADDRESS.get(bind, bind)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _with_path(url: str, path: str) -> str:
    return url if urlsplit(url).path not in ("", "/") else url.rstrip("/") + path
