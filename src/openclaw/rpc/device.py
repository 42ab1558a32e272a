"""Device identity: an Ed25519 key pair that signs the handshake.

`id` is the SHA-256 of the 32 raw public-key bytes in hex; public key and signature travel as
base64url without padding (a PEM public key is accepted too). What is signed, joined with `|`:

    v2  v2, id, client.id, client.mode, role, scopes joined by ",", signedAt, token, nonce
    v3  v3, the same, then platform and deviceFamily (trimmed, ASCII lower case)

We sign v2, which every released gateway accepts, and verify both.
`cryptography` is imported when first needed: the CLI's start time counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from openclaw.errors import DeviceRejected, IdentityFileError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

MAX_SKEW_MS = 600_000
"""How far a signature's `signedAt` may be from our clock, either way."""


class SignedDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The `device` object of a connect request."""

    id: str
    public_key: str
    signature: str
    signed_at: int
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFacts:
    """What a device signature vouches for, besides device, time and nonce."""

    client_id: str
    client_mode: str
    role: str
    scopes: Sequence[str]
    token: str
    platform: str = ""
    device_family: str = ""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Our own key pair. `private_key` never leaves this object."""

    device_id: str
    public_key: str
    private_key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"DeviceIdentity({self.device_id!r})"

    def sign(self, facts: SignedFacts, *, nonce: str, now_ms: int) -> SignedDevice:
        """The `device` object for a connect request, signed as v2."""
        text = payload_v2(self.device_id, facts, now_ms, nonce)
        return SignedDevice(
            id=self.device_id,
            public_key=self.public_key,
            signature=_b64url(self.private_key.sign(text.encode())),
            signed_at=now_ms,
            nonce=nonce,
        )


def payload_v2(device_id: str, facts: SignedFacts, signed_at_ms: int, nonce: str) -> str:
    """The text that a v2 signature covers."""
    return "|".join(
        (
            "v2",
            device_id,
            facts.client_id,
            facts.client_mode,
            facts.role,
            ",".join(facts.scopes),
            str(signed_at_ms),
            facts.token,
            nonce,
        )
    )


def payload_v3(device_id: str, facts: SignedFacts, signed_at_ms: int, nonce: str) -> str:
    """The text that a v3 signature covers."""
    common = payload_v2(device_id, facts, signed_at_ms, nonce).removeprefix("v2")
    return f"v3{common}|{_folded(facts.platform)}|{_folded(facts.device_family)}"


def verify(device: SignedDevice, facts: SignedFacts, *, nonce: str, now_ms: int) -> None:
    """Checks a device against the challenge's `nonce`. Raises DeviceRejected."""
    key = _public_key(device.public_key)
    if device_id_of(key) != device.id:
        raise DeviceRejected(
            "device identity mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch"
        )
    if abs(now_ms - device.signed_at) > MAX_SKEW_MS:
        raise DeviceRejected(
            "device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale"
        )
    if not device.nonce:
        raise DeviceRejected(
            "device nonce required", "DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing"
        )
    if device.nonce != nonce:
        raise DeviceRejected(
            "device nonce mismatch", "DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch"
        )
    texts = (
        payload(device.id, facts, device.signed_at, device.nonce)
        for payload in (payload_v3, payload_v2)
    )
    if not any(_signed_by(key, device.signature, text) for text in texts):
        raise DeviceRejected(
            "device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID", "device-signature"
        )


def device_id_of(key: Ed25519PublicKey) -> str:
    """The device id that belongs to a public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def load_or_create_identity(path: Path) -> DeviceIdentity:
    """The identity in `path`, created (mode 600) if there is none.

    The file is the one of the original: `{version, deviceId, publicKeyPem, privateKeyPem,
    createdAtMs}`. Raises IdentityFileError.
    """
    try:
        try:
            return _identity_from(path.read_bytes())
        except FileNotFoundError:
            return _create(path)
    except OSError as exc:
        raise IdentityFileError(
            f"device identity {path} cannot be used: {exc.strerror}; check its owner and mode"
        ) from exc
    except ValueError as exc:
        raise IdentityFileError(
            f"device identity {path} is damaged ({exc}); move it away and a new one is made"
        ) from exc


class _IdentityFile(msgspec.Struct, rename="camel"):
    version: int
    device_id: str
    public_key_pem: str
    private_key_pem: str
    created_at_ms: int = 0


def _create(path: Path) -> DeviceIdentity:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    public = key.public_key()
    content = _IdentityFile(
        version=1,
        device_id=device_id_of(public),
        public_key_pem=public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode(),
        private_key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        created_at_ms=int(time.time() * 1000),
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked into place: a process that loses the race reads the winner's file,
    # and nobody ever sees half of one.
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content), indent=2))
        os.link(draft, path)
    except FileExistsError:
        return _identity_from(path.read_bytes())
    finally:
        draft.unlink()
    return _identity(key)


def _identity_from(data: bytes) -> DeviceIdentity:
    """Raises ValueError (msgspec's errors are ValueErrors too)."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = msgspec.json.decode(data, type=_IdentityFile)
    try:
        key = load_pem_private_key(content.private_key_pem.encode(), password=None)
    except (TypeError, UnsupportedAlgorithm) as exc:
        raise ValueError(str(exc)) from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("privateKeyPem is not an Ed25519 key")
    return _identity(key)


def _identity(key: Ed25519PrivateKey) -> DeviceIdentity:
    public = key.public_key()
    return DeviceIdentity(device_id_of(public), _b64url(public.public_bytes_raw()), key)


def _public_key(text: str) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        if text.lstrip().startswith("-----BEGIN"):
            key = load_pem_public_key(text.encode())
            if isinstance(key, Ed25519PublicKey):
                return key
        else:
            return Ed25519PublicKey.from_public_bytes(_unb64url(text))
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise DeviceRejected(
        "device public key invalid", "DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key"
    )


def _signed_by(key: Ed25519PublicKey, signature: str, text: str) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(_unb64url(signature), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64url(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as exc:
        raise ValueError(str(exc)) from exc


def _folded(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text.strip())
