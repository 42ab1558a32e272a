"""A request that this gateway sends to itself through its public URL. Pure.

Whoever answers at that URL must show that it is this very process: it alone knows the key, and
proves it by turning a nonce into the other half of a pair. A probe is good once, for half a minute;
for whoever cannot present one there is nothing to see, as such a request is treated like any other.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

HEADER: Final = "x-openclaw-probe"
LIFETIME_S: Final = 30.0
MOST_OPEN: Final = 16
"""How many probes may be under way; the oldest is forgotten."""


class Probe(NamedTuple):
    """What to send as `HEADER`, and the body with which this process answers it."""

    header: str
    proof: str


class ProbeBook:
    """The probes that were sent and have not come in yet. `key` stays in this process."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._expiry: dict[str, float] = {}

    def open(self, nonce: str, now: float) -> Probe:
        """A new probe. `nonce` is unguessable and never used before."""
        while len(self._expiry) >= MOST_OPEN:
            del self._expiry[next(iter(self._expiry))]
        self._expiry[nonce] = now + LIFETIME_S
        return Probe(f"{nonce}.{self._sign('ask', nonce)}", self._sign("proof", nonce))

    def answer(self, header: str, now: float) -> str | None:
        """The proof for a probe of ours, once; None for everything else."""
        nonce, _, signature = header.partition(".")
        if not hmac.compare_digest(_bytes(signature), _bytes(self._sign("ask", nonce))):
            return None
        expiry = self._expiry.pop(nonce, None)
        if expiry is None or now > expiry:
            return None
        return self._sign("proof", nonce)

    def _sign(self, purpose: str, nonce: str) -> str:
        return hmac.new(self._key, _bytes(f"{purpose}:{nonce}"), hashlib.sha256).hexdigest()


def proves(probe: Probe, body: bytes) -> bool:
    """Whether this answer came from the process that sent the probe."""
    return hmac.compare_digest(body, probe.proof.encode())


def _bytes(text: str) -> bytes:
    # Bytes of a header that are not UTF-8 come as surrogates.
    return text.encode("utf-8", "replace")
