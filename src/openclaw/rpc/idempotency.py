"""Repeats of a request that carry the same key get the first one's outcome, not a second effect."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from openclaw.errors import RpcError
from openclaw.rpc.tasks import OwnedTasks


@dataclass(slots=True)
class _Entry:
    params: bytes
    run: asyncio.Task[object]
    expires: float | None = None


class IdempotencyCache:
    """Outcomes by (method, key), kept for `ttl` seconds after they are known.

    Repeats that arrive meanwhile wait for the same run, which goes on when a waiter is cancelled.
    A refusal is an outcome too, unless it says that the same request can succeed later
    (`retryable`). When `max_entries` are all still running, new keys are turned away.
    """

    def __init__(
        self,
        *,
        ttl: float = 300.0,
        max_entries: int = 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._tasks = OwnedTasks("idempotent requests")

    async def run(
        self,
        method: str,
        key: str,
        params: Mapping[str, object],
        work: Callable[[], Awaitable[object]],
    ) -> object:
        """The outcome of `work` for this key, working at most once.

        Raises what `work` raises, and RpcError if the key was used with other parameters.
        """
        now = self._clock()
        self._forget_expired(now)
        fingerprint = msgspec.json.encode(params, order="deterministic")
        entry = self._entries.get((method, key))
        if entry is None:
            self._make_room()
            entry = self._entries[method, key] = _Entry(
                fingerprint, self._tasks.spawn(f"{method} {key}", _awaited(work))
            )
            entry.run.add_done_callback(lambda _: self._settled(method, key))
        elif entry.params != fingerprint:
            raise RpcError(
                "INVALID_REQUEST",
                "idempotencyKey was already used with other parameters; use a new key",
                {"code": "idempotency_conflict"},
                retryable=False,
            )
        return await asyncio.shield(entry.run)

    async def aclose(self) -> None:
        """Cancels what still runs."""
        await self._tasks.aclose()

    def _settled(self, method: str, key: str) -> None:
        entry = self._entries[method, key]
        error = None if entry.run.cancelled() else entry.run.exception()
        if entry.run.cancelled() or (isinstance(error, RpcError) and error.retryable):
            del self._entries[method, key]
            return
        entry.expires = self._clock() + self._ttl
        self._entries.move_to_end((method, key))

    def _forget_expired(self, now: float) -> None:
        for name, entry in list(self._entries.items()):
            if entry.expires is not None and entry.expires <= now:
                del self._entries[name]

    def _make_room(self) -> None:
        if len(self._entries) < self._max_entries:
            return
        oldest = next((n for n, e in self._entries.items() if e.expires is not None), None)
        if oldest is None:
            raise RpcError(
                "UNAVAILABLE", "too many requests in progress", {"code": "busy"}, retryable=True
            )
        del self._entries[oldest]


async def _awaited(work: Callable[[], Awaitable[object]]) -> object:
    return await work()
