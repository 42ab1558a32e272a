"""The mock network's signature: HMAC-SHA256 over time, URL and body. Pure."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

HEADER: Final = "x-mock-signature"
TOLERANCE_S: Final = 300.0


def sign(secret: bytes, url: str, body: bytes, at: int) -> str:
    """The header's value for a request at epoch second `at`."""
    return f"{at}.{_digest(secret, url, body, at)}"


def is_genuine(secret: bytes, header: str, url: str, body: bytes, now: float) -> bool:
    """Whether `header` signs this request, not longer ago than the tolerance."""
    at, _, digest = header.partition(".")
    if not at.isdecimal() or len(at) > 12 or abs(now - int(at)) > TOLERANCE_S:
        return False
    presented = digest.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(presented, _digest(secret, url, body, int(at)).encode())


def _digest(secret: bytes, url: str, body: bytes, at: int) -> str:
    # Bytes of the target that are not UTF-8 were decoded to surrogates.
    signed = b"%d\n%s\n%s" % (at, url.encode("utf-8", "surrogateescape"), body)
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()
