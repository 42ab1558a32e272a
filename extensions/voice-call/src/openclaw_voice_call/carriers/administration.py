"""Requests to a carrier's administration in JSON: one attempt each, because a person waits.

Calls have a client of their own with each carrier, where what is known after a failure decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import aiohttp
import msgspec

from openclaw_voice_call.errors import CarrierError, CarrierRefused, CarrierUnreachable

REQUEST_S: Final = 8.0
BODY_LIMIT: Final = 1_000_000

_Shape = TypeVar("_Shape", bound=msgspec.Struct)


class Nothing(msgspec.Struct, frozen=True):
    """An answer whose status says all."""


class Administration:
    """`root` is the URL below which the paths are; `hidden` are texts that no error may show.

    Both methods raise CarrierRefused, and CarrierUnreachable when there was no usable answer: what
    was to be written may then have been.
    """

    def __init__(
        self,
        carrier: str,
        root: str,
        *,
        headers: Mapping[str, str],
        hidden: Sequence[str],
        credentials_remedy: str,
        session: aiohttp.ClientSession,
    ) -> None:
        self._carrier = carrier
        self._root = root
        self._headers = headers
        self._hidden = [text for text in hidden if text]
        self._credentials_remedy = credentials_remedy
        self._session = session

    async def read(
        self, path: str, shape: type[_Shape], query: Sequence[tuple[str, str]] = ()
    ) -> tuple[_Shape, float | None]:
        """The answer, and what the carrier's clock showed (epoch s), None if it did not say."""
        body, date = await self._send("GET", path, query, None)
        return self._decoded(body, shape), _epoch(date)

    async def write(
        self, method: str, path: str, body: Mapping[str, object], shape: type[_Shape]
    ) -> _Shape:
        answer, _ = await self._send(method, path, (), body)
        return shape() if shape is Nothing else self._decoded(answer, shape)

    async def _send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Mapping[str, object] | None,
    ) -> tuple[bytes, str | None]:
        typed = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method,
                self._root + path,
                params=list(query),
                data=None if body is None else msgspec.json.encode(body),
                headers={**self._headers, **typed, "Accept": "application/json"},
                timeout=aiohttp.ClientTimeout(total=REQUEST_S),
                allow_redirects=False,
            ) as response:
                answer = await _bounded(response)
                if response.status // 100 == 2:
                    return answer, response.headers.get("Date")
                raise self._refusal(response, answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CarrierUnreachable(
                f"{self._carrier} gave no answer ({type(error).__name__})"
            ) from error

    def _refusal(self, response: aiohttp.ClientResponse, body: bytes) -> CarrierError:
        status = response.status
        text = body.decode("utf-8", "replace").strip()[:300] or response.reason or "no reason given"
        for secret in self._hidden:
            text = text.replace(secret, "...")
        kind = CarrierRefused if status < 500 else CarrierUnreachable
        error = kind(f"{self._carrier}: {text} (HTTP {status})", status=status)
        if status in (401, 403):
            error.remedy = self._credentials_remedy
        return error

    def _decoded(self, body: bytes, shape: type[_Shape]) -> _Shape:
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CarrierUnreachable(f"{self._carrier} gave an unreadable answer") from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise aiohttp.ClientPayloadError(f"more than {BODY_LIMIT} bytes")
    return bytes(body)


def _epoch(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
