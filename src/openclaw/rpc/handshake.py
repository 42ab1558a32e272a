"""The handshake, decided without a socket: challenge, connect, hello-ok or a refusal.

The server opens with `connect.challenge`; the client's first request must be `connect`; the answer
is `hello-ok`, or an error followed by a close. Texts, codes and details are those of the Node
gateway (2026.3 and later), because its clients show and interpret them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from openclaw.errors import DeviceRejected, HandshakeRefused, RpcError
from openclaw.rpc import device as devices
from openclaw.rpc.frames import MAX_PROTOCOL, MIN_PROTOCOL, Event, NonEmpty, Request
from openclaw.rpc.params import read_params
from openclaw.rpc.peer import Peer, origin_allowed
from openclaw.rpc.router import ALL_SCOPES

PROTOCOL_MISMATCH_CLOSE = 1002
POLICY_CLOSE = 1008

FIRST_MUST_BE_CONNECT = "invalid handshake: first request must be connect"
Protocol = Annotated[int, Meta(ge=1)]


class _Closed(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True
):
    """An object without room for unknown keys, as in every released version."""


class ClientInfo(_Closed, frozen=True):
    """Who connects. Any non-empty id and mode are accepted; the Node gateway knows a fixed list."""

    id: NonEmpty
    version: NonEmpty
    platform: NonEmpty
    mode: NonEmpty
    display_name: str | UnsetType = UNSET
    device_family: str | UnsetType = UNSET
    model_identifier: str | UnsetType = UNSET
    instance_id: str | UnsetType = UNSET


class ConnectAuth(_Closed, frozen=True):
    """What the client knows. We issue neither device nor bootstrap tokens."""

    token: str | UnsetType = UNSET
    bootstrap_token: str | UnsetType = UNSET
    device_token: str | UnsetType = UNSET
    password: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return "ConnectAuth(...)"


class ConnectParams(_Closed, frozen=True):
    """The parameters of `connect`."""

    min_protocol: Protocol
    max_protocol: Protocol
    client: ClientInfo
    role: str = "operator"
    scopes: Sequence[str] = ()
    caps: Sequence[str] = ()
    commands: Sequence[str] = ()
    permissions: Mapping[str, object] = {}
    path_env: str | UnsetType = UNSET
    auth: ConnectAuth = ConnectAuth()
    device: devices.SignedDevice | UnsetType = UNSET
    locale: str | UnsetType = UNSET
    user_agent: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthPolicy:
    """How a gateway checks who connects.

    `mode` "none" admits local clients only. `allowed_origins` are web pages' origins, such as
    `https://console.example.com`.
    """

    mode: Literal["token", "password", "none"]
    secret: str = field(default="", repr=False)
    allowed_origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.mode != "none" and not self.secret:
            raise ValueError(f"gateway auth mode {self.mode!r} needs a secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What an accepted client may do: `scopes` in the order requested, unknown ones dropped."""

    protocol: int
    client_id: str
    role: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits that hello-ok announces, in bytes and milliseconds."""

    max_payload: int = 26_214_400
    max_buffered_bytes: int = 52_428_800
    tick_interval_ms: int = 30_000


def challenge(nonce: str, now_ms: int) -> Event:
    """The first frame of a connection. Newest clients sign its `ts` as their `signedAt`."""
    return Event(event="connect.challenge", payload={"nonce": nonce, "ts": now_ms})


def read_connect(request: Request) -> ConnectParams:
    """The first request, which must be a valid `connect`. Raises HandshakeRefused."""
    if request.method != "connect":
        raise HandshakeRefused(RpcError("INVALID_REQUEST", FIRST_MUST_BE_CONNECT))
    try:
        return read_params(ConnectParams, request.params, "connect")
    except RpcError as exc:
        raise HandshakeRefused(exc) from None


def admit(
    connect: ConnectParams, peer: Peer, policy: AuthPolicy, *, nonce: str, now_ms: int
) -> Admission:
    """Judges a connect. Raises HandshakeRefused, or its kind WrongSecret, to be counted.

    The secret is judged before the device, so that a stranger learns nothing about devices.
    """
    protocol = _negotiate(connect)
    if connect.role not in ("operator", "node"):
        raise HandshakeRefused(RpcError("INVALID_REQUEST", "invalid role"))
    check_origin(peer, policy)
    _check_secret(connect, peer, policy)
    if connect.role == "node" and connect.device is UNSET:
        raise _device_required()
    _check_device(connect, nonce, now_ms)
    known = tuple(dict.fromkeys(s for s in connect.scopes if s in ALL_SCOPES))
    return Admission(
        protocol=protocol,
        client_id=connect.client.id,
        role=connect.role,
        scopes=known if connect.role == "operator" else (),
    )


def hello_ok(
    admission: Admission,
    *,
    version: str,
    conn_id: str,
    methods: Sequence[str],
    events: Sequence[str],
    snapshot: Mapping[str, object],
    policy: Policy,
) -> Mapping[str, object]:
    """The payload that ends a successful handshake.

    `auth` goes to protocol 4 only and never carries a device token: older clients would store it in
    place of the one that their own gateway gave them.
    """
    hello: dict[str, object] = {
        "type": "hello-ok",
        "protocol": admission.protocol,
        "server": {"version": version, "connId": conn_id},
        "features": {"methods": list(methods), "events": list(events)},
        "snapshot": snapshot,
        "policy": {
            "maxPayload": policy.max_payload,
            "maxBufferedBytes": policy.max_buffered_bytes,
            "tickIntervalMs": policy.tick_interval_ms,
        },
    }
    if admission.protocol >= 4:
        hello["auth"] = {"role": admission.role, "scopes": list(admission.scopes)}
    return hello


class WrongSecret(HandshakeRefused):
    """A secret was presented and is not ours: the one refusal that counts as an attack."""


def secret_matches(policy: AuthPolicy, *presented: str) -> bool:
    """Whether one of the presented secrets is ours, in time that does not depend on them."""
    ours = _digest(policy.secret)
    matches = [hmac.compare_digest(ours, _digest(text)) for text in presented]
    return policy.mode != "none" and any(matches)


def rate_limited(seconds: float) -> HandshakeRefused:
    """The refusal of an address that has presented too many wrong secrets."""
    error = _unauthorized(
        "too many failed authentication attempts (retry later)",
        "AUTH_RATE_LIMITED",
        "rate_limited",
        "wait_then_retry",
        retry_after_ms=int(seconds * 1000),
    )
    return HandshakeRefused(error)


def check_origin(peer: Peer, policy: AuthPolicy) -> None:
    """Raises HandshakeRefused for a web page that is not welcome."""
    if not origin_allowed(peer, policy.allowed_origins):
        raise HandshakeRefused(
            RpcError(
                "INVALID_REQUEST",
                "origin not allowed (open the Control UI from the gateway host or allow it in "
                "gateway.controlUi.allowedOrigins)",
                {"code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": "origin not allowed"},
            )
        )


def _negotiate(connect: ConnectParams) -> int:
    low, high = connect.min_protocol, connect.max_protocol
    if low > MAX_PROTOCOL or high < MIN_PROTOCOL or low > high:
        details: Mapping[str, object] = {
            "code": "PROTOCOL_MISMATCH",
            "clientMinProtocol": low,
            "clientMaxProtocol": high,
            "expectedProtocol": MAX_PROTOCOL,
            "minimumProbeProtocol": MIN_PROTOCOL,
        }
        error = RpcError("INVALID_REQUEST", "protocol mismatch", details)
        raise HandshakeRefused(error, PROTOCOL_MISMATCH_CLOSE)
    return min(MAX_PROTOCOL, high)


def _check_secret(connect: ConnectParams, peer: Peer, policy: AuthPolicy) -> None:
    if policy.mode == "none":
        if peer.local:
            return
        if connect.device is UNSET:
            raise _device_required()
        raise HandshakeRefused(
            RpcError(
                "NOT_PAIRED",
                "pairing required",
                {"code": "PAIRING_REQUIRED", "reason": "not-paired"},
            )
        )
    # Clients put the secret into the field that matches their own idea of the mode.
    presented = [text for text in (connect.auth.token, connect.auth.password) if text]
    if not presented:
        if connect.device is UNSET:
            raise _device_required()
        raise HandshakeRefused(_bad_secret(policy.mode, "missing", "update_auth_configuration"))
    if not secret_matches(policy, *presented):
        raise WrongSecret(_bad_secret(policy.mode, "mismatch", "update_auth_credentials"))


def _check_device(connect: ConnectParams, nonce: str, now_ms: int) -> None:
    if connect.device is UNSET:
        return
    auth, client = connect.auth, connect.client
    facts = devices.SignedFacts(
        client_id=client.id,
        client_mode=client.mode,
        role=connect.role,
        scopes=connect.scopes,
        token=auth.token or auth.device_token or auth.bootstrap_token or "",
        platform=client.platform,
        device_family=client.device_family or "",
    )
    try:
        devices.verify(connect.device, facts, nonce=nonce, now_ms=now_ms)
    except DeviceRejected as exc:
        details = {"code": exc.code, "reason": exc.reason}
        raise HandshakeRefused(RpcError("INVALID_REQUEST", str(exc), details)) from None


def _device_required() -> HandshakeRefused:
    details = {"code": "DEVICE_IDENTITY_REQUIRED"}
    return HandshakeRefused(RpcError("NOT_PAIRED", "device identity required", details))


def _bad_secret(mode: str, problem: Literal["missing", "mismatch"], next_step: str) -> RpcError:
    return _unauthorized(
        f"gateway {mode} {problem} (set gateway.remote.{mode} to match gateway.auth.{mode})",
        f"AUTH_{mode}_{problem}".upper(),
        f"{mode}_{problem}",
        next_step,
    )


def _unauthorized(
    text: str, code: str, reason: str, next_step: str, retry_after_ms: int | None = None
) -> RpcError:
    return RpcError(
        "INVALID_REQUEST",
        f"unauthorized: {text}",
        {
            "code": code,
            "authReason": reason,
            # We issue no device tokens, so one that the client has is another gateway's.
            "canRetryWithDeviceToken": False,
            "recommendedNextStep": next_step,
        },
        retry_after_ms=retry_after_ms,
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
