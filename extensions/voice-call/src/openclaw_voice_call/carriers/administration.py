"""Requests to a carrier's administration in JSON: one attempt each, because a person waits.

Calls have a client of their own with each carrier, where what is known after a failure decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import aiohttp
import msgspec

from openclaw_voice_call.carriers.rest import (
    UNREADABLE,
    Answer,
    Fields,
    Nothing,
    Request,
    exchange,
    shortened,
)
from openclaw_voice_call.errors import CarrierError, CarrierRefused, CarrierUnreachable

REQUEST_S: Final = 8.0

_Shape = TypeVar("_Shape", bound=msgspec.Struct)


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
        authorization: str,
        hidden: Sequence[str],
        credentials_remedy: str,
        session: aiohttp.ClientSession,
    ) -> None:
        self._carrier = carrier
        self._root = root
        self._headers = {"Authorization": authorization}
        self._hidden = hidden
        self._credentials_remedy = credentials_remedy
        self._session = session

    async def read(
        self, path: str, shape: type[_Shape], query: Fields = ()
    ) -> tuple[_Shape, float | None]:
        """The answer, and what the carrier's clock showed (epoch s), None if it did not say."""
        answer = await self._send(Request("GET", path, query=query))
        return self._decoded(answer.body, shape), answer.sent_at

    async def write(
        self, method: str, path: str, body: Mapping[str, object], shape: type[_Shape]
    ) -> _Shape:
        answer = await self._send(Request(method, path, json=body))
        return shape() if shape is Nothing else self._decoded(answer.body, shape)

    async def _send(self, request: Request) -> Answer:
        try:
            answer = await exchange(
                self._session,
                request,
                self._root + request.path,
                headers=self._headers,
                limits=aiohttp.ClientTimeout(total=REQUEST_S),
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CarrierUnreachable(
                f"{self._carrier} gave no answer ({type(error).__name__})"
            ) from error
        if not answer.ok:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: Answer) -> CarrierError:
        status = answer.status
        told = answer.body.decode("utf-8", "replace").strip()
        text = shortened(told or answer.reason, self._hidden)
        kind = CarrierRefused if status < 500 else CarrierUnreachable
        error = kind(f"{self._carrier}: {text} (HTTP {status})", status=status)
        if status in (401, 403):
            error.remedy = self._credentials_remedy
        return error

    def _decoded(self, body: bytes, shape: type[_Shape]) -> _Shape:
        try:
            return msgspec.json.decode(body, type=shape)
        except UNREADABLE as error:
            raise CarrierUnreachable(f"{self._carrier} gave an unreadable answer") from error
