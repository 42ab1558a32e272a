"""What the journal offers. Everything that leaves the house is in it first."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence
from typing import Protocol

from openclaw_voice_call.call.facts import Fact, StoredFact
from openclaw_voice_call.call.pairing import PairingBook
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId, CarrierCallId


class PairingStore(Protocol):
    """Where the pairing book is kept."""

    def read(self) -> PairingBook:
        """Raises JournalUnreadable when it is there and cannot be understood."""
        ...

    async def write(self, book: PairingBook) -> None:
        """Durable when it returns. Raises JournalRefused; then the old book is still there."""
        ...


class CallStore(Protocol):
    """The durable memory of all calls. A write is on disk when its future is done; writes are
    carried out in the order in which they were given."""

    def open(
        self, record: CallRecord, facts: Sequence[Fact], *, at: float, max_live: int | None
    ) -> Future[None]:
        """Insert a new call if fewer than `max_live` calls are live, in one transaction.

        The future raises AtCapacity; Conflict if the call's id or its carrier's id is known
        already; JournalRefused.
        """
        ...

    def commit(
        self,
        record: CallRecord,
        facts: Sequence[Fact],
        *,
        at: float,
        occurrence: str | None = None,
    ) -> Future[None]:
        """Store `record` whose `version` is one more than the stored one, with its facts.

        A carrier call id that the record carries is entered in the names table too. `occurrence`
        is unique in a call. The future raises Conflict or JournalRefused; then nothing was stored.
        """
        ...

    async def load(self, call_id: CallId) -> CallRecord | None:
        """The newest stored record."""
        ...

    async def find(self, carrier: str, carrier_call_id: CarrierCallId) -> CallId | None:
        """Which call a carrier's id belongs to, ended calls included."""
        ...

    async def live(self) -> Sequence[CallRecord]:
        """All calls whose phase is not ended, oldest first."""
        ...

    async def recent(self, limit: int) -> Sequence[CallRecord]:
        """The newest calls, newest first."""
        ...

    async def facts(self, call_id: CallId) -> Sequence[StoredFact]:
        """A call's facts in order."""
        ...

    async def prune(self, before: float) -> int:
        """Drop facts of ended calls older than `before`; calls and names stay. Gives the count."""
        ...

    async def close(self) -> None:
        """Write what was accepted, then close."""
        ...
