"""How many wrong secrets one address may present, and how long it then waits. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Record:
    failures: deque[float] = field(default_factory=deque[float])
    locked_until: float = 0.0


class AuthThrottle:
    """Counts failures per address: `limit` within `window` seconds lock it for `lockout` seconds.

    At most `max_addresses` are remembered, the least recently seen is forgotten first, so that a
    flood from many addresses cannot fill the memory. Times are seconds of any monotonic clock.
    """

    def __init__(
        self,
        *,
        limit: int = 10,
        window: float = 60.0,
        lockout: float = 300.0,
        max_addresses: int = 10_000,
    ) -> None:
        self._limit = limit
        self._window = window
        self._lockout = lockout
        self._max_addresses = max_addresses
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def locked_for(self, address: str, now: float) -> float:
        """Seconds that `address` still has to wait; 0.0 if it may try."""
        record = self._records.get(address)
        return max(0.0, record.locked_until - now) if record else 0.0

    def failed(self, address: str, now: float) -> None:
        """Notes a wrong secret."""
        record = self._records.setdefault(address, _Record())
        self._records.move_to_end(address)
        while record.failures and record.failures[0] <= now - self._window:
            record.failures.popleft()
        record.failures.append(now)
        if len(record.failures) >= self._limit:
            record.failures.clear()
            record.locked_until = now + self._lockout
        if len(self._records) > self._max_addresses:
            self._records.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forgets the failures of an address that has shown the right secret."""
        self._records.pop(address, None)
