"""Telnyx's signature: recorded vectors, agreement with the official package, and its corners."""

import json
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from telnyx.lib.webhook_verification import (
    WebhookVerificationError,
    verify_webhook_signature,
)

from openclaw_voice_call.carriers.telnyx.signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE_S,
    parse_public_key,
    verify_signature,
)
from openclaw_voice_call.carriers.telnyx.webhook import trust_webhook, verify_webhook
from openclaw_voice_call.errors import SignatureError, WebhookMalformed
from openclaw_voice_call.interfaces.carrier import WebhookRequest


class Vector(TypedDict):
    id: str
    public_key: str
    now: int
    headers: dict[str, str]
    body: str
    valid: bool
    sdk_verdict: bool
    sdk_unwrap_verdict: NotRequired[bool]


class VectorFile(TypedDict):
    vectors: list[Vector]


def _vectors() -> list[Vector]:
    text = (Path(__file__).parent / "data" / "signatures.json").read_text("utf-8")
    loaded: VectorFile = json.loads(text)
    return loaded["vectors"]


def request(body: bytes, headers: dict[str, str]) -> WebhookRequest:
    lower = {name.lower(): value for name, value in headers.items()}
    return WebhookRequest("POST", "/voice/webhook", lower, body, "192.0.2.1")


@pytest.mark.parametrize("vector", _vectors(), ids=lambda vector: vector["id"])
@pytest.mark.scenario("F98", carrier="telnyx")
def test_every_vector_gets_its_verdict(vector: Vector) -> None:
    key = parse_public_key(vector["public_key"])
    sent = request(vector["body"].encode(), vector["headers"])
    if vector["valid"]:
        verified = verify_webhook(sent, key, vector["now"])
        assert verified.document == json.loads(vector["body"])
    else:
        with pytest.raises(SignatureError):
            verify_webhook(sent, key, vector["now"])


def test_all_vectors_are_there() -> None:
    assert [vector["id"] for vector in _vectors()] == [f"tx-{n:02}" for n in range(1, 23)]


# --- agreement with the official package

_SEEDS = st.binary(min_size=32, max_size=32)
_BODIES = st.binary(max_size=60)


def signed(private: Ed25519PrivateKey, stamp: str, body: bytes) -> str:
    return b64encode(private.sign(stamp.encode() + b"|" + body)).decode()


def raw_key(private: Ed25519PrivateKey) -> str:
    return b64encode(private.public_key().public_bytes_raw()).decode()


def our_verdict(key: str, signature: str, stamp: str, body: bytes, now: float) -> bool:
    try:
        verify_signature(parse_public_key(key), signature, stamp, body, now)
    except SignatureError:
        return False
    return True


def official_verdict(key: str, signature: str, stamp: str, body: bytes) -> bool:
    headers = {"Telnyx-Signature-Ed25519": signature, "Telnyx-Timestamp": stamp}
    try:
        verify_webhook_signature(body, headers, key)
    except WebhookVerificationError:
        return False
    return True


@given(_SEEDS, st.text(max_size=60).map(str.encode), st.integers(-290, 290), st.data())
@settings(deadline=None)
def test_the_official_package_agrees(
    seed: bytes, body: bytes, age: int, data: st.DataObject
) -> None:
    """What was signed is accepted by both, and by neither when one bit of it has changed.

    The package reads bodies as text; ours, which never does, is tried with any bytes elsewhere.
    """
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, stamp = raw_key(private), str(int(time.time()) - age)
    signature = signed(private, stamp, body)
    assert our_verdict(key, signature, stamp, body, time.time())
    assert official_verdict(key, signature, stamp, body)

    made = bytearray(b64decode(signature))
    place = data.draw(st.integers(0, 8 * len(made) - 1))
    made[place // 8] ^= 1 << place % 8
    forged = b64encode(bytes(made)).decode()
    other = body + b"x"
    later = str(int(stamp) + 1)
    for case in ((forged, stamp, body), (signature, stamp, other), (signature, later, body)):
        assert not our_verdict(key, *case, time.time())
        assert not official_verdict(key, *case)


@given(_SEEDS, st.text(max_size=40), st.text(max_size=14), _BODIES)
def test_nothing_that_is_no_signature_is_accepted(
    seed: bytes, signature: str, stamp: str, body: bytes
) -> None:
    """Any text in the headers is a verdict, never another error; ours is never the laxer one."""
    key = raw_key(Ed25519PrivateKey.from_private_bytes(seed))
    assert not our_verdict(key, signature, stamp, body, 0.0)


@given(st.sampled_from([-301, -300, 300, 301]))
def test_the_tolerance_is_inclusive_and_goes_both_ways(age: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    now = 1_771_200_000.9
    stamp = str(int(now) - age)
    verdict = our_verdict(raw_key(private), signed(private, stamp, b"{}"), stamp, b"{}", now)
    assert verdict is (abs(age) <= TOLERANCE_S)


@pytest.mark.parametrize(
    "stamp", ["+1771200000", " 1771200000", "1_771_200_000", "１７７１２０００００"]
)
def test_a_time_is_plain_digits(stamp: str) -> None:
    """Some of these are integers to Python, and Telnyx sends none of them."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert not our_verdict(
        raw_key(private), signed(private, stamp, b"{}"), stamp, b"{}", 1_771_200_000.0
    )


# --- keys


@given(_SEEDS)
def test_a_key_is_read_in_all_its_forms(seed: bytes) -> None:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    raw = public.public_bytes_raw()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in (
        b64encode(raw).decode(),
        f"  {b64encode(raw).decode()}\r\n",
        urlsafe_b64encode(raw).decode().rstrip("="),
        b64encode(der).decode(),
        pem,
        pem.replace("\n", "\r\n"),
        f"\n{pem}\n",
    ):
        assert parse_public_key(text).public_bytes_raw() == raw


_X25519_PEM = (
    X25519PrivateKey.from_private_bytes(bytes(32))
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds 0 bytes"),
        ("not base64!", "is neither base64 nor PEM"),
        ("é", "is neither base64 nor PEM"),
        (b64encode(bytes(31)).decode(), "holds 31 bytes"),
        (b64encode(bytes(44)).decode(), "holds 44 bytes"),
        (_X25519_PEM, "is PEM, but of no Ed25519 public key"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "is PEM, but no public key",
        ),
    ],
)
def test_what_is_no_key_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_public_key(text)


# --- requests


@pytest.mark.scenario("A4", carrier="telnyx")
def test_without_a_key_nothing_is_believed() -> None:
    vector = _vectors()[0]
    with pytest.raises(SignatureError, match="publicKey is not set"):
        verify_webhook(request(vector["body"].encode(), vector["headers"]), None, vector["now"])


@pytest.mark.parametrize("missing", [SIGNATURE_HEADER, TIMESTAMP_HEADER])
def test_both_headers_are_needed(missing: str) -> None:
    vector = _vectors()[0]
    headers = {name: value for name, value in vector["headers"].items() if name != missing}
    with pytest.raises(SignatureError, match="missing"):
        verify_webhook(
            request(vector["body"].encode(), headers),
            parse_public_key(vector["public_key"]),
            vector["now"],
        )


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b"null", b"[" * 5000])
def test_what_is_signed_and_no_json_object_is_malformed(body: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    headers = {SIGNATURE_HEADER: signed(private, "1000", body), TIMESTAMP_HEADER: "1000"}
    with pytest.raises(WebhookMalformed):
        verify_webhook(request(body, headers), private.public_key(), 1000.0)


def test_the_url_is_not_believed() -> None:
    """Telnyx does not sign it: a link of ours in it names nothing."""
    target = "/voice/webhook?type=heard&call=c1&script=3&step=0"
    webhook = trust_webhook(WebhookRequest("POST", target, {}, b"{}", "192.0.2.1"))
    assert webhook.target.call_id is None
    assert webhook.target.step is None
