"""Plivo, as one of many phone companies."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

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
from tests.emulators.plivo import (
    Call,
    Delivery,
    Number,
    Person,
    PlivoEmulator,
    RestRequest,
    Settings,
    Webhook,
)
from tests.emulators.plivo.calls import Form
from tests.emulators.plivo.webhooks import sign_v2, sign_v3


class PlivoCompany(EmulatedCompany[Call, Webhook, RestRequest, Delivery]):
    def __init__(self, plivo: PlivoEmulator, callers: Mapping[str, Person]) -> None:
        super().__init__(plivo, customer_of(plivo), callers)
        self._plivo = plivo

    def _leg(self, call: Call) -> Leg:
        answered = call.answered_at is not None
        return Leg(call.uuid, answered, call.over, call.ended_by, call.status == "busy")

    def _moment(self, webhook: Webhook) -> Moment | None:
        return _moment(webhook.kind, webhook.params)

    def _kind(self, request: RestRequest) -> Request:
        match request.operation:
            case "create":
                return "dial"
            case "hang up" | "cancel":
                return "hang up"
            case "list" | "read":
                return "look up"
            case _:
                return "other"

    def _sent(self, delivery: Delivery) -> Sent:
        async def again(headers: Mapping[str, str], suffix: str) -> int | None:
            changed = replace(delivery, headers={**delivery.headers, **headers})
            return (await self._plivo.replay(changed, url=delivery.url + suffix)).status

        moment = _moment(delivery.kind, delivery.params)
        return Sent(moment, delivery.call_uuid, delivery.url, delivery.status, again)

    async def offer(self, shown: str, signing: Signing) -> int | None:
        fields = _offer(shown)
        genuine = self._plivo.sign(PUBLIC_URL, fields)
        headers: Mapping[str, str] = {
            "genuine": genuine,
            "none": {},
            "garbled": {
                name: value if name.endswith("Nonce") else "bm90IGEgc2lnbmF0dXJl"
                for name, value in genuine.items()
            },
            "foreign key": _sign("another-customers-token", fields),
            "changed body": self._plivo.sign(PUBLIC_URL, _offer("+15550000000")),
        }[signing]
        return (await self._plivo.post(PUBLIC_URL, fields, headers=headers)).status


def _moment(kind: str, params: Form) -> Moment | None:
    fields = dict(params)
    match kind:
        case "answer":
            return "offered" if fields.get("Direction") == "inbound" else "answered"
        case "ring":
            return "ringing"
        case "hangup":
            return "ended"
        case "action":
            return "heard"
        case _:
            return None


def _offer(shown: str) -> Form:
    return (
        ("CallUUID", str(uuid4())),
        ("From", shown.removeprefix("+")),
        ("To", OURS.removeprefix("+")),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("Event", "StartApp"),
    )


def _sign(token: str, fields: Form) -> dict[str, str]:
    nonce = "20260216000000000001"
    return {
        "X-Plivo-Signature-V3": sign_v3(token, PUBLIC_URL, "POST", fields, nonce),
        "X-Plivo-Signature-V3-Nonce": nonce,
        "X-Plivo-Signature-V2": sign_v2(token, PUBLIC_URL, nonce),
        "X-Plivo-Signature-V2-Nonce": nonce,
    }


@asynccontextmanager
async def open_plivo(
    port: int,
    people: Mapping[str, Person],
    callers: Mapping[str, Person],
    speed: float,
    *,
    retry_gap: float = 0.2,
) -> AsyncGenerator[Company]:
    settings = Settings(
        numbers={OURS: Number(PUBLIC_URL, hangup_url=f"{PUBLIC_URL}?type=status")},
        people=people,
        origins={PUBLIC_ORIGIN: f"http://127.0.0.1:{port}"},
        speed=speed,
        retry_gap=retry_gap,
    )
    async with PlivoEmulator.start(settings) as plivo:
        yield PlivoCompany(plivo, callers)
