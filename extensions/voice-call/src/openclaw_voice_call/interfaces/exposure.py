"""A public URL for the local webhook port: what a fixed URL and every tunnel offer. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec


class PublicUrls(msgspec.Struct, frozen=True):
    """Where the world finds the two doors of the webhook server. No query, no trailing slash that
    was not asked for."""

    webhook: str
    """`https://host/voice/webhook`: carriers call it and sign it."""
    stream: str
    """`wss://host/voice/stream`: carriers open media streams below it."""


class ExposureState(StrEnum):
    LOST = "lost"
    """Nobody out there reaches the webhook server; it is being tried to get back."""
    RESTORED = "restored"
    """It is reached again, at the same URLs."""
    MOVED = "moved"
    """The tunnel came back at other URLs and is given up: links that carriers hold name the old
    ones, so it takes a new exposure, and calls that begin with it."""


class ExposureNews(msgspec.Struct, frozen=True):
    """What became of an open exposure."""

    exposure: str
    state: ExposureState
    reason: str
    """For people; holds no secret."""


class Exposure(Protocol):
    """One way to a public URL. `open` once, then `withdraw` once, whatever `open` did."""

    @property
    def name(self) -> str:
        """As the configuration says it."""
        ...

    async def open(self) -> PublicUrls:
        """The URLs, which stay as they are until `withdraw`. From now on it is supervised.

        Raises ExposureFailed; takes a bounded time.
        """
        ...

    async def withdraw(self) -> None:
        """Nothing of it is left behind. Takes a few seconds at most and does not fail."""
        ...
