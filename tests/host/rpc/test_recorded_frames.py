"""What real command lines sent, and what real gateways answered, replayed against our server.

The recordings are the expectation; where we differ on purpose, `DIFFERENCES` says how and why.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import msgspec
import pytest

from openclaw.rpc.device import (
    DeviceIdentity,
    SignedDevice,
    SignedFacts,
    load_or_create_identity,
    payload_v2,
    payload_v3,
    verify,
)
from openclaw.rpc.router import Caller, RpcRouter
from tests.host.rpc.support import TOKEN, JsonObject, Wire, connect_params, serving, wired


class Sent(msgspec.Struct):
    protocol: tuple[int, int]
    client: str
    role: str
    scopes: list[str]
    auth: list[str]
    device: bool


class Then(msgspec.Struct):
    method: str
    ok: bool
    error: JsonObject | None = None


class Case(msgspec.Struct):
    case: str
    sent: Sent
    ok: bool
    error: JsonObject | None = None
    close: tuple[int, str] | None = None
    then: list[Then] = []


class Handshake(msgspec.Struct):
    challenge: JsonObject
    connect: JsonObject
    request: JsonObject
    hello_ok_that_satisfied_the_cli: JsonObject
    signed: dict[str, str] | None = None


class Recorded(msgspec.Struct):
    handshake: dict[str, Handshake]
    connect_cases: dict[str, list[Case]]


RECORDED = msgspec.json.decode(Path(__file__).with_name("frames.json").read_bytes(), type=Recorded)


@dataclass(frozen=True)
class Outcome:
    """How a connect ended, and how the methods called after it ended (None: well)."""

    ok: bool
    error: JsonObject | None = None
    close: tuple[int, str] | None = None
    then: Mapping[str, JsonObject | None] | None = None


@dataclass(frozen=True)
class Difference:
    """Where we answer differently from the gateways in `versions`, and why."""

    cases: tuple[str, ...]
    versions: tuple[str, ...]
    why: str
    ours: Callable[[Outcome, Sent], Outcome]


ALL = ("feb", "mar", "apr", "sep")
OLD = ("feb", "mar", "apr")


def refused(
    code: str, message: str, details: JsonObject | None = None, close: int = 1008
) -> Callable[[Outcome, Sent], Outcome]:
    error: JsonObject = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    return lambda _, __: Outcome(ok=False, error=error, close=(close, message))


def accepted(*methods: str) -> Callable[[Outcome, Sent], Outcome]:
    return lambda _, __: Outcome(ok=True, then=dict.fromkeys(methods))


def then(method: str, error: JsonObject | None) -> Callable[[Outcome, Sent], Outcome]:
    def change(was: Outcome, _: Sent) -> Outcome:
        if was.then is None or method not in was.then:
            return was
        return replace(was, then={**was.then, method: error})

    return change


def mismatch(_: Outcome, sent: Sent) -> Outcome:
    details: JsonObject = {
        "code": "PROTOCOL_MISMATCH",
        "clientMinProtocol": sent.protocol[0],
        "clientMaxProtocol": sent.protocol[1],
        "expectedProtocol": 4,
        "minimumProbeProtocol": 3,
    }
    return refused("INVALID_REQUEST", "protocol mismatch", details, 1002)(_, sent)


def token_problem(problem: str, next_step: str) -> Callable[[Outcome, Sent], Outcome]:
    return refused(
        "INVALID_REQUEST",
        f"unauthorized: gateway token {problem} "
        "(set gateway.remote.token to match gateway.auth.token)",
        {
            "code": f"AUTH_TOKEN_{problem.upper()}",
            "authReason": f"token_{problem}",
            "canRetryWithDeviceToken": False,
            "recommendedNextStep": next_step,
        },
    )


def missing_scope(scope: str) -> JsonObject:
    details = {"code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope]}
    return {"code": "FORBIDDEN", "message": f"missing scope: {scope}", "details": details}


def with_details(details: JsonObject) -> Callable[[Outcome, Sent], Outcome]:
    return lambda was, _: replace(was, error={**(was.error or {}), "details": details})


TOKEN_MISSING = token_problem("missing", "update_auth_configuration")
TOKEN_MISMATCH = token_problem("mismatch", "update_auth_credentials")
ORIGIN = (
    "origin not allowed (open the Control UI from the gateway host or allow it in "
    "gateway.controlUi.allowedOrigins)"
)
NO_DEVICE: JsonObject = {"code": "DEVICE_IDENTITY_REQUIRED"}
UNKNOWN: JsonObject = {"code": "INVALID_REQUEST", "message": "unknown method: agents.create"}
STRANGERS = ("token no device", "gateway-client backend no device")
WITH_TOKEN = (*STRANGERS, "token+device v3", "token+device v2")

DIFFERENCES = (
    Difference(
        ("token no device",), ("mar", "apr"), "the right secret is enough, without a device",
        accepted("voicecall.status", "status", "health"),
    ),
    Difference(
        ("gateway-client backend no device",), ("mar",), "the right secret is enough",
        accepted("voicecall.status", "status", "health"),
    ),
    Difference(
        WITH_TOKEN, ("sep",), "sep had no voice-call plugin", then("voicecall.status", None)
    ),
    Difference(
        (*WITH_TOKEN, "read scope device", "write scope device"), ("sep",),
        "we have no agents.create, and an unknown method is named before scopes are judged: "
        "clients fall back on that text", then("agents.create", UNKNOWN),
    ),
    Difference(
        ("token+device v3",), ("feb",), "v3 signatures are verified",
        accepted("voicecall.status", "status", "health"),
    ),
    Difference(
        ("no auth no device",), ("feb",), "feb gave no details", with_details(NO_DEVICE)
    ),
    Difference(
        ("no auth + device(new)",), ("feb", "sep"), "one text and full details for all",
        TOKEN_MISSING,
    ),
    Difference(
        ("wrong token no device",), ("feb", "sep"), "one text and full details for all",
        TOKEN_MISMATCH,
    ),
    Difference(
        ("wrong token + device",), ALL,
        "we issue no device tokens, so we do not send clients to retry with one", TOKEN_MISMATCH,
    ),
    Difference(
        ("password when token mode",), ALL,
        "the secret may come in either field, so a wrong one is a mismatch", TOKEN_MISMATCH,
    ),
    Difference(
        ("protocol 1-2",), OLD, "we speak 3 and 4, and give full details", mismatch
    ),
    Difference(
        ("protocol 4-4", "protocol 3-3"), ALL, "we speak 3 and 4", accepted(),
    ),
    Difference(
        ("unknown client id",), ALL, "any non-empty client id is welcome", accepted(),
    ),
    Difference(
        ("stale sig",), ("feb",), "feb gave no details",
        with_details({"code": "DEVICE_AUTH_SIGNATURE_EXPIRED", "reason": "device-signature-stale"}),
    ),
    Difference(
        ("nonce mismatch",), ("feb",), "feb gave no details",
        with_details({"code": "DEVICE_AUTH_NONCE_MISMATCH", "reason": "device-nonce-mismatch"}),
    ),
    Difference(
        ("bad sig",), ("feb",), "feb gave no details",
        with_details({"code": "DEVICE_AUTH_SIGNATURE_INVALID", "reason": "device-signature"}),
    ),
    Difference(
        ("id mismatch",), ("feb",), "feb gave no details",
        with_details({"code": "DEVICE_AUTH_DEVICE_ID_MISMATCH", "reason": "device-id-mismatch"}),
    ),
    Difference(
        ("origin header evil",), ("feb",), "feb let any web page in",
        refused(
            "INVALID_REQUEST", ORIGIN,
            {"code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": "origin not allowed"},
        ),
    ),
    Difference(
        ("read scope device", "write scope device"), ALL,
        "voicecall.status declares read, which write implies", then("voicecall.status", None),
    ),
    Difference(
        ("read scope device",), ALL, "voicecall.initiate declares write",
        then("voicecall.initiate", missing_scope("operator.write")),
    ),
    Difference(
        ("node role no device",), ("feb",), "a node must have a device",
        refused("NOT_PAIRED", "device identity required", NO_DEVICE),
    ),
)  # fmt: skip


def expectation(version: str, case: Case) -> Outcome:
    """The recorded outcome, with our differences applied; each of them must change something."""
    outcome = Outcome(
        case.ok, case.error, case.close, {t.method: t.error for t in case.then} if case.ok else None
    )
    if outcome.then is None and case.ok:
        outcome = replace(outcome, then={})
    for row in DIFFERENCES:
        if case.case in row.cases and version in row.versions:
            changed = row.ours(outcome, case.sent)
            assert changed != outcome, f"{case.case} in {version}: no difference: {row.why}"
            outcome = changed
    return outcome


async def fine(params: Mapping[str, object], caller: Caller) -> object:
    return {}


def a_router() -> RpcRouter:
    router = RpcRouter()
    router.add("health", fine, None)
    router.add("status", fine, "operator.read")
    router.add("logs.tail", fine, "operator.read")
    router.add("voicecall.status", fine, "operator.read", plugin=True)
    router.add("voicecall.initiate", fine, "operator.write", plugin=True)
    return router


def device_for(
    case: Case, identity: DeviceIdentity, params: JsonObject, challenge: JsonObject
) -> SignedDevice:
    """A device that signs what the case says, and is spoiled as the case says."""
    payload = cast("Mapping[str, object]", challenge["payload"])
    nonce, now_ms = str(payload["nonce"]), cast("int", payload["ts"])
    if case.case == "stale sig":
        now_ms -= 3_600_000
    if case.case == "nonce mismatch":
        nonce = "another-nonce"
    client_id, _, mode = case.sent.client.partition("/")
    token = cast("Mapping[str, str]", params["auth"]).get("token", "")
    facts = SignedFacts(
        client_id=client_id,
        client_mode=mode,
        role=case.sent.role,
        scopes=case.sent.scopes,
        token=token,
        platform="linux",
    )
    device = identity.sign(facts, nonce=nonce, now_ms=now_ms)
    if case.case == "token+device v3":
        text = payload_v3(device.id, facts, now_ms, nonce)
        device = msgspec.structs.replace(device, signature=b64(identity, text))
    if case.case == "bad sig":
        device = msgspec.structs.replace(device, signature=b64(identity, "something else"))
    if case.case == "id mismatch":
        device = msgspec.structs.replace(device, id="0" * 64)
    return device


def b64(identity: DeviceIdentity, text: str) -> str:
    return base64.urlsafe_b64encode(identity.private_key.sign(text.encode())).decode().rstrip("=")


async def outcome_of(wire: Wire, answer: JsonObject, methods: list[str]) -> Outcome:
    assert set(answer) <= {"type", "id", "ok", "payload", "error"}
    if not answer["ok"]:
        return Outcome(False, cast("JsonObject", answer["error"]), await wire.closed())
    results: dict[str, JsonObject | None] = {}
    for method in methods:
        result = await wire.call(method)
        results[method] = cast("JsonObject | None", result.get("error"))
    return Outcome(True, then=results)


@pytest.mark.parametrize(
    ("version", "case"),
    [
        pytest.param(version, case, id=f"{version} {case.case}")
        for version, cases in RECORDED.connect_cases.items()
        for case in cases
    ],
)
async def test_connect_case(version: str, case: Case, tmp_path: Path) -> None:
    expected = expectation(version, case)
    wrong = "wrong token" in case.case or "password" in case.sent.auth
    secret = "not-the-secret" if wrong else TOKEN
    params = connect_params(
        protocol=case.sent.protocol,
        client=case.sent.client,
        role=case.sent.role,
        scopes=case.sent.scopes,
        token=None,
        **({"foo": 1} if case.case == "extra param" else {}),
    )
    params["auth"] = dict.fromkeys(case.sent.auth, secret)
    headers = {"Origin": "https://evil.example"} if "origin" in case.case else {}
    async with serving(a_router()) as gateway, wired(gateway, headers) as wire:
        challenge = await wire.frame()
        if case.sent.device:
            identity = load_or_create_identity(tmp_path / "device.json")
            params["device"] = msgspec.to_builtins(device_for(case, identity, params, challenge))
        answer = await wire.call("connect", params)
        assert await outcome_of(wire, answer, list(expected.then or ())) == expected
        if answer["ok"]:
            hello = cast("JsonObject", answer["payload"])
            assert hello["protocol"] == min(4, case.sent.protocol[1])
            assert "deviceToken" not in json.dumps(hello)
            granted = {"role": case.sent.role, "scopes": case.sent.scopes}
            assert hello.get("auth") == (granted if hello["protocol"] == 4 else None)


def test_every_difference_applies_to_a_recorded_case() -> None:
    recorded = {(v, c.case) for v, cases in RECORDED.connect_cases.items() for c in cases}
    for row in DIFFERENCES:
        for case in row.cases:
            assert any((version, case) in recorded for version in row.versions), (case, row.why)


@pytest.mark.parametrize("version", list(RECORDED.handshake))
async def test_what_the_real_command_line_sent(version: str) -> None:
    """Byte for byte: our server, at the recorded time with the recorded nonce, lets them in."""
    recorded = RECORDED.handshake[version]
    payload = cast("Mapping[str, object]", recorded.challenge["payload"])
    nonce, at = str(payload["nonce"]), cast("int", payload["ts"])
    async with (
        serving(a_router(), clock_ms=lambda: at, new_id=lambda: nonce) as gateway,
        wired(gateway) as wire,
    ):
        assert await wire.frame() == recorded.challenge
        await wire.send(recorded.connect)
        hello = await wire.frame()
        satisfied = recorded.hello_ok_that_satisfied_the_cli
        assert hello["id"] == satisfied["id"]
        ours = cast("JsonObject", hello["payload"])
        theirs = cast("JsonObject", satisfied["payload"])
        assert set(ours) == set(theirs)
        assert ours["policy"] == theirs["policy"]
        assert ours.get("auth") == theirs.get("auth")
        await wire.send(recorded.request)
        answer = await wire.frame()
        assert answer == {"type": "res", "id": recorded.request["id"], "ok": True, "payload": {}}


@pytest.mark.parametrize("version", ["feb", "mar"])
def test_signature_of_the_real_command_line(version: str) -> None:
    recorded = RECORDED.handshake[version]
    assert recorded.signed is not None
    connect = cast("dict[str, JsonObject]", recorded.connect)["params"]
    device = msgspec.convert(connect["device"], SignedDevice)
    client = cast("dict[str, str]", connect["client"])
    facts = SignedFacts(
        client_id=client["id"],
        client_mode=client["mode"],
        role=cast("str", connect["role"]),
        scopes=cast("list[str]", connect["scopes"]),
        token=cast("dict[str, str]", connect["auth"])["token"],
        platform=client["platform"],
    )
    verify(device, facts, nonce=device.nonce, now_ms=device.signed_at)
    payload = {"v2": payload_v2, "v3": payload_v3}[recorded.signed["version"]]
    text = payload(device.id, facts, device.signed_at, device.nonce)
    assert text == recorded.signed["payload"]
