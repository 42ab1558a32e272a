"""A URL that leads here without our doing: `publicUrl`, or the local one for rehearsals."""

from __future__ import annotations

from openclaw_voice_call.interfaces.exposure import PublicUrls


class FixedUrl:
    """Implements `interfaces.exposure.Exposure`."""

    def __init__(self, urls: PublicUrls) -> None:
        self._urls = urls

    @property
    def name(self) -> str:
        return "publicUrl"

    async def open(self) -> PublicUrls:
        return self._urls

    async def withdraw(self) -> None:
        """Nothing was set up."""
