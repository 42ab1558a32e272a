"""A gateway under load: the real program, watched from inside, customer of an emulated company."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.gateway import WEBHOOK_PATH, GatewayProcess, free_port
from tests.load.census import watched

PUBLIC_URL = f"https://voice.example.com{WEBHOOK_PATH}"


def local_url(port: int) -> str:
    return f"http://127.0.0.1:{port}{WEBHOOK_PATH}"


@asynccontextmanager
async def open_house(
    folder: Path, webhook_port: int, section: Mapping[str, object]
) -> AsyncGenerator[GatewayProcess]:
    """A started gateway with this section of the plugin, and an agent that answers at once."""
    config: dict[str, object] = {
        "models": {"providers": {"scripted": {"default": "You said: {text}"}}},
        "plugins": {
            "entries": {
                "voice-call": {
                    "enabled": True,
                    "config": {
                        "fromNumber": "+15550001234",
                        "serve": {"port": webhook_port},
                        "responseModel": "scripted/phone",
                        "inboundPolicy": "open",
                        "inboundGreeting": "Hello, caller.",
                        **section,
                    },
                }
            }
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    gateway = GatewayProcess(folder, config, watched(folder))
    try:
        await gateway.start()
        yield gateway
        if gateway.running:
            status = await gateway.stop()
            assert status == 0, f"ended with status {status}:\n{gateway.log[-4000:]}"
    finally:
        await gateway.close()


__all__ = ["PUBLIC_URL", "free_port", "local_url", "open_house"]
