"""The emulator is judged by the official Twilio package: its client and its validator."""

# pyright: reportMissingTypeStubs=false

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.emulators.gateway_double import (
    EVENTS,
    HELLO,
    THEM,
    US,
    WAIT,
    WebhookApp,
    create,
    dial,
    emulator,
    rest,
    update,
)
from tests.emulators.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    Number,
    Person,
    Settings,
    TwilioEmulator,
)
from tests.emulators.twilio.spec import check_call_object
from tests.emulators.twilio.twiml import Document, DocumentError, parse
from tests.emulators.twilio.webhooks import parse_overrides


class Redirected(TwilioHttpClient):
    """The official HTTP client, sent to the emulator instead of to Twilio."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=10)
        self._base_url = base_url

    def request(self, method: str, url: str, *args: object, **kwargs: object) -> Response:
        assert url.startswith("https://api.twilio.com/")
        url = self._base_url + url.removeprefix("https://api.twilio.com")
        return super().request(method, url, *args, **kwargs)  # pyright: ignore[reportArgumentType]


def official_client(twilio: TwilioEmulator, token: str = AUTH_TOKEN) -> Client:
    return Client(ACCOUNT_SID, token, http_client=Redirected(twilio.base_url))


async def test_the_official_client_creates_fetches_lists_and_ends_calls(app: WebhookApp) -> None:
    url = app.answer("/voice", WAIT)
    async with emulator(app) as twilio:
        calls = official_client(twilio).calls
        made = await asyncio.to_thread(
            lambda: calls.create(
                to=THEM, from_=US, url=url, status_callback=app.origin + "/status",
                status_callback_event=EVENTS,
            )
        )  # fmt: skip
        assert made.status == "queued"
        await twilio.wait_for(str(made.sid), "in-progress")
        fetched = await asyncio.to_thread(lambda: calls(str(made.sid)).fetch())
        assert (fetched.status, fetched.direction, fetched.to) == (
            "in-progress", "outbound-api", THEM
        )  # fmt: skip
        found = await asyncio.to_thread(
            lambda: calls.list(to=THEM, from_=US, start_time_after=made.date_created)
        )
        assert [call.sid for call in found] == [made.sid]
        assert await asyncio.to_thread(lambda: calls.list(status="completed")) == []
        await asyncio.to_thread(lambda: calls(str(made.sid)).update(status="completed"))
        await twilio.wait_idle()

        assert twilio.call(str(made.sid)).ended_by == "gateway"
        assert [request.operation for request in twilio.requests] == [
            "create", "fetch", "list", "list", "update"
        ]  # fmt: skip
        assert check_call_object(twilio.calls[0].as_json()) == []
        assert twilio.violations == []
    told = [(s.form["SequenceNumber"], s.form["CallStatus"]) for s in app.at("/status")]
    assert sorted(told) == [
        ("0", "initiated"), ("1", "ringing"), ("2", "in-progress"), ("3", "completed")
    ]  # fmt: skip


async def test_every_webhook_passes_the_official_validator(app: WebhookApp) -> None:
    url = app.answer(
        "/voice", '<Response><Gather input="speech" action="/heard?x=%2B1"/></Response>'
    )
    app.answer("/heard", HELLO)
    async with emulator(app, them=Person(["Grüße & so = gut + fertig"])) as twilio:
        await create(
            twilio, Url=f"{url}?call=a%20b#rc=2&rp=ct,5xx", StatusCallback=f"{app.origin}/status",
            StatusCallbackEvent=EVENTS,
        )  # fmt: skip
        await twilio.wait_idle()
        assert twilio.violations == []
    validator = RequestValidator(AUTH_TOKEN)
    assert len(app.seen) == 6
    for seen in app.seen:
        assert validator.validate(  # pyright: ignore[reportUnknownMemberType]
            f"http://{seen.host}{seen.path}", seen.form, seen.headers["X-Twilio-Signature"]
        )
    assert app.at("/heard")[0].form["SpeechResult"] == "Grüße & so = gut + fertig"
    assert app.at("/heard")[0].path == "/heard?x=%2B1"
    assert app.at("/voice")[0].form["FromCity"] == ""


async def test_a_public_address_is_signed_and_the_local_one_is_called(app: WebhookApp) -> None:
    app.answer("/local/voice", HELLO)
    settings = Settings(
        numbers={US: Number("https://voice.example.com:8443/public/voice?q=1")},
        origins={"https://voice.example.com:8443/public": app.origin + "/local"},
        proxy_headers={"X-Forwarded-Proto": "https"},
        speed=100,
    )
    async with TwilioEmulator.start(settings) as twilio:
        caller = Person()
        twilio.call_in(THEM, US, caller)
        await caller.wait_heard("hello")
        await twilio.wait_idle()
        signature = twilio.deliveries[0].headers["X-Twilio-Signature"]
        params = twilio.deliveries[0].params
        assert signature == twilio.sign("https://voice.example.com/public/voice?q=1", params)
    assert app.seen[0].host == "voice.example.com:8443"
    assert app.seen[0].headers["X-Forwarded-Proto"] == "https"
    assert app.seen[0].path == "/local/voice?q=1"


async def test_nothing_outside_this_machine_is_ever_called(app: WebhookApp) -> None:
    async with emulator(app) as twilio:
        await create(twilio, Url="https://voice.example.com/voice")
        await twilio.wait_idle()
        assert [alert.code for alert in twilio.alerts] == [11210]


@pytest.mark.parametrize(
    ("fields", "status", "code", "violations"),
    [
        ({"Url": "{app}/voice", "Colour": "red"}, 400, 20001, 1),
        ({"Url": "{app}/voice", "Timeout": "soon"}, 400, 20001, 1),
        ({"Url": "{app}/voice", "StatusCallbackEvent": "initiated ringing"}, 400, 20001, 1),
        ({"Url": "{app}/voice", "Method": "PUT"}, 400, 20001, 1),
        ({"Url": "{app}/voice", "To": []}, 400, 20001, 1),
        ({"Twiml": "<Response>" + "x" * 4000}, 400, 20001, 1),
        ({"Url": "{app}/voice", "To": "12345"}, 400, 21211, 0),
        ({"Url": "{app}/voice", "From": "+15550009999"}, 400, 21210, 0),
        ({}, 400, 21205, 0),
    ],
)
async def test_create_refuses_what_twilio_refuses(
    app: WebhookApp,
    fields: Mapping[str, str | list[str]],
    status: int,
    code: int,
    violations: int,
) -> None:
    sent = {k: v.format(app=app.origin) if isinstance(v, str) else v for k, v in fields.items()}
    async with emulator(app) as twilio:
        answered, body = await create(twilio, **sent)
        assert (answered, body["code"], body["status"]) == (status, code, status)
        assert len(twilio.violations) == violations
        assert twilio.calls == []


async def test_updates_are_refused_where_twilio_refuses_them(app: WebhookApp) -> None:
    async with emulator(app, queue_seconds=30) as twilio:
        sid = await dial(twilio, Twiml=WAIT)
        assert (await update(twilio, sid, Twiml=HELLO))[1]["code"] == 21220
        await twilio.wait_for(sid, "in-progress")
        relative = '<Response><Gather action="/next"/></Response>'
        assert (await update(twilio, sid, Twiml=relative))[1]["code"] == 15004
        assert (await update(twilio, sid, Status="canceled"))[1]["code"] == 21220
        assert (await update(twilio, sid, Status="completed"))[0] == 200
        assert (await update(twilio, sid, Status="completed"))[1]["code"] == 21220
        assert (await rest(twilio, "GET", f"/Calls/CA{'0' * 32}.json"))[1]["code"] == 20404
        assert twilio.violations == []

        with pytest.raises(TwilioRestException) as refusal:
            await asyncio.to_thread(official_client(twilio, "wrong").calls(sid).fetch)
        assert (refusal.value.status, refusal.value.code) == (401, 20003)


async def test_a_call_canceled_while_queued_is_told_to_nobody(app: WebhookApp) -> None:
    async with emulator(app, queue_seconds=30) as twilio:
        sid = await dial(twilio, Twiml=WAIT, StatusCallback=app.origin + "/status")
        await update(twilio, sid, Status="canceled")
        await twilio.wait_idle()
        assert twilio.calls[0].status == "canceled"
    assert app.seen == []


@given(st.one_of(st.text(), st.text().map(lambda t: f"<Response>{t}</Response>")))
def test_any_text_is_a_document_or_a_document_error(text: str) -> None:
    try:
        document = parse(text)
    except DocumentError:
        return
    assert "<" in text
    assert isinstance(document, Document)


def test_overrides_are_read_and_their_mistakes_named() -> None:
    overrides = parse_overrides("ct=500&rt=2000&tt=9000&rc=3&rp=5xx,ct&sni=y")
    assert (overrides.connect, overrides.read, overrides.total) == (0.5, 2.0, 9.0)
    assert overrides.retries == 3
    assert overrides.retry("5xx")
    assert overrides.retry("ct")
    assert not overrides.retry("4xx")
    assert not overrides.retry("")
    assert overrides.problems == ()
    assert len(parse_overrides("rc=9&rp=never&xx=1&ct=50").problems) == 4
