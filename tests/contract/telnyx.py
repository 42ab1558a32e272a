"""Telnyx, as one of many phone companies."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.contract.network import (
    OURS,
    PUBLIC_ORIGIN,
    PUBLIC_URL,
    Company,
    EmulatedCompany,
    Leg,
    Moment,
    Request,
    Sent,
    Signing,
)
from tests.customers import customer_of
from tests.emulators.telnyx import (
    CONNECTION_ID,
    Application,
    Call,
    Delivery,
    Person,
    RestRequest,
    Settings,
    TelnyxEmulator,
    Webhook,
)


class TelnyxCompany(EmulatedCompany[Call, Webhook, RestRequest, Delivery]):
    def __init__(self, telnyx: TelnyxEmulator, callers: Mapping[str, Person]) -> None:
        super().__init__(telnyx, customer_of(telnyx), callers)
        self._telnyx = telnyx

    def _leg(self, call: Call) -> Leg:
        answered = call.answered_at is not None
        return Leg(call.control_id, answered, call.over, call.ended_by, call.cause == "user_busy")

    def _moment(self, webhook: Webhook) -> Moment | None:
        return _moment(webhook.event_type, webhook.payload)

    def _kind(self, request: RestRequest) -> Request:
        match request.operation:
            case "dial":
                return "dial"
            case "hangup":
                return "hang up"
            case "retrieve" | "active_calls":
                return "look up"
            case _:
                return "other"

    def _sent(self, delivery: Delivery) -> Sent:
        async def again(headers: Mapping[str, str], suffix: str) -> int | None:
            sent = await self._telnyx.post_raw(
                delivery.url + suffix, delivery.content, {**delivery.headers, **headers}
            )
            return sent.status

        moment = _moment(delivery.event_type, delivery.payload)
        return Sent(moment, delivery.control_id, delivery.url, delivery.status, again)

    async def offer(self, shown: str, signing: Signing) -> int | None:
        content = _offer(shown)
        genuine = self._telnyx.sign(content)
        headers: Mapping[str, str] = {
            "genuine": genuine,
            "none": {},
            "garbled": {**genuine, "telnyx-signature-ed25519": "bm90IGEgc2lnbmF0dXJl"},
            "foreign key": {**genuine, "telnyx-signature-ed25519": _sign(content)},
            "changed body": self._telnyx.sign(_offer("+15550000000")),
        }[signing]
        return (await self._telnyx.post_raw(PUBLIC_URL, content, headers)).status


def _moment(event_type: str, payload: Mapping[str, object]) -> Moment | None:
    match event_type:
        case "call.initiated":
            return "offered" if payload.get("direction") == "incoming" else "ringing"
        case "call.answered":
            return "answered"
        case "call.transcription" | "call.dtmf.received":
            return "heard"
        case "call.hangup":
            return "ended"
        case _:
            return None


def _offer(shown: str) -> bytes:
    payload = {
        "call_control_id": "v3:nobody",
        "connection_id": CONNECTION_ID,
        "direction": "incoming",
        "from": shown,
        "to": OURS,
    }
    data = {"event_type": "call.initiated", "id": "an-event", "payload": payload}
    return msgspec.json.encode({"data": data})


def _sign(content: bytes) -> str:
    stamp = str(int(time.time())).encode()
    return b64encode(Ed25519PrivateKey.generate().sign(stamp + b"|" + content)).decode()


@asynccontextmanager
async def open_telnyx(
    port: int,
    people: Mapping[str, Person],
    callers: Mapping[str, Person],
    speed: float,
    *,
    retry_gap: float = 0.2,
) -> AsyncGenerator[Company]:
    settings = Settings(
        numbers=frozenset({OURS}),
        # One URL for everything is all that an application has.
        application=Application(PUBLIC_URL),
        people=people,
        origins={PUBLIC_ORIGIN: f"http://127.0.0.1:{port}"},
        speed=speed,
        retry_gap=retry_gap,
    )
    async with TelnyxEmulator.start(settings) as telnyx:
        yield TelnyxCompany(telnyx, callers)
