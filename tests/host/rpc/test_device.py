"""Device identities: what we sign verifies, what was changed does not."""

from __future__ import annotations

import base64
import stat
from dataclasses import replace
from pathlib import Path
from typing import cast

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from openclaw.errors import DeviceRejected, IdentityFileError
from openclaw.rpc.device import (
    DeviceIdentity,
    SignedDevice,
    SignedFacts,
    device_id_of,
    load_or_create_identity,
    payload_v3,
    verify,
)

NOW = 1_795_000_000_000
FACTS = SignedFacts(
    client_id="cli", client_mode="cli", role="operator", scopes=("operator.read",), token="t"
)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> DeviceIdentity:
    return load_or_create_identity(tmp_path_factory.mktemp("state") / "identity" / "device.json")


@given(st.lists(st.text(max_size=8), max_size=4), st.text(max_size=12), st.text(max_size=12))
def test_what_we_sign_verifies(scopes: list[str], token: str, nonce: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    public = key.public_key()
    ours = DeviceIdentity(device_id_of(public), b64(public.public_bytes_raw()), key)
    facts = SignedFacts(
        client_id="cli", client_mode="cli", role="operator", scopes=scopes, token=token
    )
    nonce = "n" + nonce
    verify(ours.sign(facts, nonce=nonce, now_ms=NOW), facts, nonce=nonce, now_ms=NOW)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize("skew_ms", [600_001, -600_001])
def test_an_old_or_future_signature(identity: DeviceIdentity, skew_ms: int) -> None:
    device = identity.sign(FACTS, nonce="n", now_ms=NOW)
    with pytest.raises(DeviceRejected, match="device signature expired"):
        verify(device, FACTS, nonce="n", now_ms=NOW + skew_ms)


@pytest.mark.parametrize(
    "claimed",
    [
        replace(FACTS, scopes=("operator.admin",)),
        replace(FACTS, role="node"),
        replace(FACTS, token="another"),
        replace(FACTS, client_id="other"),
        replace(FACTS, client_mode="ui"),
    ],
)
def test_claims_that_were_not_signed(identity: DeviceIdentity, claimed: SignedFacts) -> None:
    device = identity.sign(FACTS, nonce="n", now_ms=NOW)
    with pytest.raises(DeviceRejected, match="device signature invalid"):
        verify(device, claimed, nonce="n", now_ms=NOW)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("id", "0" * 64, "DEVICE_AUTH_DEVICE_ID_MISMATCH"),
        ("nonce", "", "DEVICE_AUTH_NONCE_REQUIRED"),
        ("nonce", "other", "DEVICE_AUTH_NONCE_MISMATCH"),
        ("signature", "AAAA", "DEVICE_AUTH_SIGNATURE_INVALID"),
        ("signature", "not base64 ü", "DEVICE_AUTH_SIGNATURE_INVALID"),
        ("public_key", "AAAA", "DEVICE_AUTH_PUBLIC_KEY_INVALID"),
        ("public_key", "-----BEGIN PUBLIC KEY-----", "DEVICE_AUTH_PUBLIC_KEY_INVALID"),
        ("public_key", "ü", "DEVICE_AUTH_PUBLIC_KEY_INVALID"),
    ],
)
def test_a_spoiled_device(identity: DeviceIdentity, field: str, value: str, code: str) -> None:
    device = identity.sign(FACTS, nonce="n", now_ms=NOW)
    spoiled = msgspec.structs.replace(device, **{field: value})
    with pytest.raises(DeviceRejected) as refusal:
        verify(spoiled, FACTS, nonce="n", now_ms=NOW)
    assert refusal.value.code == code


def test_v3_folds_platform_and_family_in_ascii(identity: DeviceIdentity) -> None:
    facts = SignedFacts(
        client_id="cli",
        client_mode="cli",
        role="operator",
        scopes=(),
        token="",
        platform=" MacOS ",
        device_family="MÄC",
    )
    assert payload_v3("id", facts, 1, "n").endswith("|1||n|macos|mÄc")
    text = payload_v3(identity.device_id, facts, NOW, "n")
    device = SignedDevice(
        id=identity.device_id,
        public_key=identity.public_key,
        signature=b64(identity.private_key.sign(text.encode())),
        signed_at=NOW,
        nonce="n",
    )
    verify(device, facts, nonce="n", now_ms=NOW)


def test_a_pem_public_key_is_accepted(identity: DeviceIdentity) -> None:
    device = identity.sign(FACTS, nonce="n", now_ms=NOW)
    pem = identity.private_key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    device = msgspec.structs.replace(device, public_key=pem.decode())
    verify(device, FACTS, nonce="n", now_ms=NOW)


def test_the_file_is_private_kept_and_in_the_original_form(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "device.json"
    made = load_or_create_identity(path)
    again = load_or_create_identity(path)
    assert (again.device_id, again.public_key) == (made.device_id, made.public_key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = cast("dict[str, object]", msgspec.json.decode(path.read_bytes()))
    assert set(content) == {"version", "deviceId", "publicKeyPem", "privateKeyPem", "createdAtMs"}
    assert [p.name for p in path.parent.iterdir()] == ["device.json"]
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version":1}', b"\xff"])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "device.json"
    path.write_bytes(content)
    with pytest.raises(IdentityFileError, match=r"device\.json is damaged .* move it away"):
        load_or_create_identity(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(IdentityFileError, match="cannot be used"):
        load_or_create_identity(tmp_path)
