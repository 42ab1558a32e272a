"""Twilio, as one of many phone companies."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from twilio.request_validator import RequestValidator  # pyright: ignore[reportMissingTypeStubs]

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
from tests.emulators.twilio import (
    ACCOUNT_SID,
    Call,
    Delivery,
    Number,
    Person,
    RestRequest,
    Settings,
    TwilioEmulator,
    Webhook,
)
from tests.emulators.twilio.calls import TERMINAL, Form


class TwilioCompany(EmulatedCompany[Call, Webhook, RestRequest, Delivery]):
    def __init__(self, twilio: TwilioEmulator, callers: Mapping[str, Person]) -> None:
        super().__init__(twilio, customer_of(twilio), callers)
        self._twilio = twilio

    def _leg(self, call: Call) -> Leg:
        answered = call.answered_at is not None
        return Leg(call.sid, answered, call.over, call.ended_by, call.status == "busy")

    def _moment(self, webhook: Webhook) -> Moment | None:
        return _moment(webhook.kind, webhook.params)

    def _kind(self, request: RestRequest) -> Request:
        if request.operation == "create":
            return "dial"
        if request.operation in {"fetch", "list"}:
            return "look up"
        ends = dict(request.fields).get("Status") in {"completed", "canceled"}
        return "hang up" if request.operation == "update" and ends else "other"

    def _sent(self, delivery: Delivery) -> Sent:
        async def again(headers: Mapping[str, str], suffix: str) -> int | None:
            changed = replace(delivery, url=delivery.url + suffix)
            return (await self._twilio.replay(changed, headers=headers)).status

        moment = _moment(delivery.kind, delivery.params)
        return Sent(moment, delivery.call_sid, delivery.url, delivery.status, again)

    async def offer(self, shown: str, signing: Signing) -> int | None:
        fields = {
            "CallSid": "CA" + "e" * 32,
            "AccountSid": ACCOUNT_SID,
            "From": shown,
            "To": OURS,
            "CallStatus": "ringing",
            "Direction": "inbound",
        }
        signature = {
            "genuine": None,
            "none": "",
            "garbled": "bm90IGEgc2lnbmF0dXJl",
            "foreign key": _sign("0123456789abcdef0123456789abcdef", fields),
            "changed body": self._twilio.sign(PUBLIC_URL, {**fields, "From": "+15550000000"}),
        }[signing]
        return (await self._twilio.post(PUBLIC_URL, fields, signature=signature)).status


def _moment(kind: str, params: Form) -> Moment | None:
    fields = dict(params)
    if kind == "status":
        status = fields["CallStatus"]
        if status in TERMINAL:
            return "ended"
        return {"ringing": "ringing", "in-progress": "answered"}.get(status)  # pyright: ignore[reportReturnType]
    if "SpeechResult" in fields or "Digits" in fields:
        return "heard"
    return "offered" if fields.get("CallStatus") == "ringing" else None


def _sign(token: str, fields: Mapping[str, str]) -> str:
    return RequestValidator(token).compute_signature(  # pyright: ignore[reportUnknownMemberType]
        PUBLIC_URL, dict(fields)
    )


@asynccontextmanager
async def open_twilio(
    port: int,
    people: Mapping[str, Person],
    callers: Mapping[str, Person],
    speed: float,
    *,
    retry_gap: float = 0.2,
) -> AsyncGenerator[Company]:
    number = Number(PUBLIC_URL, status_callback=f"{PUBLIC_URL}?type=status")
    settings = Settings(
        numbers={OURS: number},
        people=people,
        origins={PUBLIC_ORIGIN: f"http://127.0.0.1:{port}"},
        speed=speed,
        retry_gap=retry_gap,
    )
    async with TwilioEmulator.start(settings) as twilio:
        yield TwilioCompany(twilio, callers)
