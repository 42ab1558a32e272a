"""Telnyx's signature: Ed25519 over `timestamp|body`. Pure.

The URL is not signed, so nothing of it is believed. Source: Telnyx's "Webhook fundamentals" and
the verification in its SDKs.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openclaw_voice_call.errors import SignatureError

SIGNATURE_HEADER: Final = "telnyx-signature-ed25519"
TIMESTAMP_HEADER: Final = "telnyx-timestamp"
TOLERANCE_S: Final = 300
"""How far the time of signing may lie from our clock, in both directions (F98)."""

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----(.*)-----END PUBLIC KEY-----", re.DOTALL)
_URL_SAFE: Final = str.maketrans("-_", "+/")
_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
"""DER of a SubjectPublicKeyInfo that holds an Ed25519 key; the key's 32 bytes follow."""
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64


def parse_public_key(text: str) -> Ed25519PublicKey:
    """Read the account's public key: base64 (also URL-safe) of 32 bytes or of DER, or PEM.

    Raises ValueError, whose text says what is wrong.
    """
    pem = _PEM.fullmatch(text.strip())
    if not pem and "-----BEGIN" in text:
        raise ValueError("is PEM, but no public key")
    encoded = "".join((pem[1] if pem else text).split()).translate(_URL_SAFE).rstrip("=")
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (Base64Error, ValueError):
        raise ValueError("is neither base64 nor PEM") from None
    if len(key) == len(_SPKI_PREFIX) + _KEY_BYTES and key.startswith(_SPKI_PREFIX):
        key = key.removeprefix(_SPKI_PREFIX)
    elif pem:
        raise ValueError("is PEM, but of no Ed25519 public key")
    if len(key) != _KEY_BYTES:
        raise ValueError(f"holds {len(key)} bytes, an Ed25519 public key has {_KEY_BYTES}")
    return Ed25519PublicKey.from_public_bytes(key)


def verify_signature(
    key: Ed25519PublicKey, signature: str | None, timestamp: str | None, body: bytes, now: float
) -> None:
    """Return if `signature` (base64) was made by the owner of `key` at `timestamp` (epoch seconds)
    over `body`, and `now` is near it. Raises SignatureError."""
    if not signature or not timestamp:
        raise SignatureError(f"{SIGNATURE_HEADER} or {TIMESTAMP_HEADER} is missing")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError(f"{TIMESTAMP_HEADER} is not a time in seconds")
    if abs(int(now) - int(timestamp)) > TOLERANCE_S:
        raise SignatureError(
            f"{TIMESTAMP_HEADER} is more than {TOLERANCE_S} s from this machine's clock"
        )
    try:
        made = b64decode(signature, validate=True)
    except (Base64Error, ValueError):
        raise SignatureError(f"{SIGNATURE_HEADER} is not base64") from None
    if len(made) != _SIGNATURE_BYTES:
        raise SignatureError(f"{SIGNATURE_HEADER} does not have {_SIGNATURE_BYTES} bytes")
    try:
        key.verify(made, timestamp.encode("ascii") + b"|" + body)
    except InvalidSignature:
        raise SignatureError("the signature does not match this body and time") from None
