"""The emulator is judged by the official Plivo package: its client and its validators."""

# pyright: reportMissingTypeStubs=false

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, cast

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from plivo import RestClient, exceptions, utils
from requests import PreparedRequest, Response  # noqa: TID251 - the official client's
from requests.adapters import HTTPAdapter  # noqa: TID251

from tests.emulators.faults import (
    Delay,
    Disconnect,
    Drop,
    Fail,
    Hang,
    LoseAnswer,
    Postpone,
    Repeat,
    RestFault,
)
from tests.emulators.gateway_double import Seen, WebhookApp
from tests.emulators.plivo import (
    AUTH_ID,
    AUTH_TOKEN,
    HangsUp,
    Number,
    Person,
    PlivoEmulator,
    Reply,
    Settings,
    Webhook,
)
from tests.emulators.plivo.markup import Document, DocumentError, parse
from tests.emulators.plivo.webhooks import Signatures, parse_overrides

US, THEM = "+15550001234", "+15550005678"
HELLO = "<Response><Speak>hello</Speak></Response>"
WAIT = '<Response><Wait length="600"/></Response>'


@asynccontextmanager
async def emulator(
    app: WebhookApp,
    them: Person | None = None,
    *,
    signatures: Signatures = "both",
    main_token: str = "",
    queue_seconds: float = 0.2,
    other_names: bool = False,
) -> AsyncGenerator[PlivoEmulator]:
    """An emulator with our number, which the app serves, and one person at THEM."""
    settings = Settings(
        numbers={US: Number(app.origin + "/in", hangup_url=app.origin + "/ended")},
        people={THEM: them or Person()},
        signatures=signatures,
        main_token=main_token,
        speed=100,
        queue_seconds=queue_seconds,
        requests_have_other_names=other_names,
    )
    async with PlivoEmulator.start(settings) as plivo:
        yield plivo


async def rest(
    plivo: PlivoEmulator, method: str, path: str, body: object = None
) -> tuple[int, dict[str, object]]:
    """One request to the account's REST API: status and JSON."""
    basic = b64encode(f"{AUTH_ID}:{AUTH_TOKEN}".encode()).decode()
    url = f"{plivo.base_url}/v1/Account/{AUTH_ID}{path}"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Basic {basic}"}) as session,
        session.request(method, url, json=body) as got,
    ):
        return got.status, await got.json() if got.status not in (204, 401) else {}


async def create(plivo: PlivoEmulator, **fields: object) -> tuple[int, dict[str, object]]:
    return await rest(plivo, "POST", "/Call/", {"from": US, "to": THEM, **fields})


async def dial(plivo: PlivoEmulator, url: str, **fields: object) -> str:
    """Place a call that is accepted; the name of the request."""
    status, body = await create(plivo, answer_url=url, **fields)
    assert status == 201, body
    return str(body["request_uuid"])


def answers(app: WebhookApp, path: str, *documents: str) -> str:
    return app.answer(path, *documents)


# --- the official client


class Redirected(HTTPAdapter):
    """Sends the official client's requests to the emulator instead of to Plivo."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def send(self, request: PreparedRequest, *args: object, **kwargs: object) -> Response:
        assert request.url is not None
        assert request.url.startswith("https://api.plivo.com/")
        request.url = self._base_url + request.url.removeprefix("https://api.plivo.com")
        return super().send(request)


class Live(Protocol):
    call_status: str
    direction: str
    to: str


class Listed(Protocol):
    calls: list[str]


class Calls(Protocol):
    """The part of the official client that is used, which has no types."""

    def create(self, **fields: object) -> Mapping[str, str]: ...
    def live_call_list_ids(self) -> Listed: ...
    def live_call_get(self, _id: str) -> Live: ...
    def transfer(self, call_uuid: str, **fields: object) -> object: ...
    def hangup(self, call_uuid: str) -> object: ...
    def cancel(self, request_uuid: str) -> object: ...


def official_client(plivo: PlivoEmulator, token: str = AUTH_TOKEN) -> Calls:
    client = RestClient(AUTH_ID, token)
    client.session.mount("https://", Redirected(plivo.base_url))
    return cast("Calls", client.calls)


async def test_the_official_client_makes_reads_transfers_and_ends_calls(app: WebhookApp) -> None:
    url = answers(app, "/voice", WAIT)
    other = answers(app, "/other", WAIT)
    async with emulator(app) as plivo:
        calls = official_client(plivo)
        made = await asyncio.to_thread(
            lambda: calls.create(
                from_=US, to_=THEM, answer_url=url, answer_method="POST",
                ring_url=app.origin + "/status", hangup_url=app.origin + "/status",
                ring_timeout=30, time_limit=60,
            )
        )  # fmt: skip
        uuid = made["request_uuid"]
        await plivo.wait_for(uuid, "in-progress")
        live = await asyncio.to_thread(lambda: calls.live_call_get(uuid))
        assert (live.call_status, live.direction, live.to) == (
            "in-progress", "outbound", "15550005678"
        )  # fmt: skip
        listed = await asyncio.to_thread(calls.live_call_list_ids)
        assert listed.calls == [uuid]
        await asyncio.to_thread(lambda: calls.transfer(uuid, legs="aleg", aleg_url=other))
        await plivo.until(lambda: bool(app.at("/other")), "the other document is fetched")
        await asyncio.to_thread(lambda: calls.hangup(uuid))
        await plivo.wait_idle()
        assert plivo.calls[0].ended_by == "gateway"
        with pytest.raises(exceptions.ResourceNotFoundError):
            await asyncio.to_thread(lambda: calls.live_call_get(uuid))
        assert plivo.violations == []
    told = [(s.form["Event"], s.form["CallStatus"]) for s in app.at("/status")]
    assert told == [("Ring", "ringing"), ("Hangup", "completed")]


async def test_the_official_client_cancels_and_is_told_apart(app: WebhookApp) -> None:
    async with emulator(app, queue_seconds=30, other_names=True) as plivo:
        request = await dial(plivo, app.origin + "/voice")
        await asyncio.to_thread(lambda: official_client(plivo).cancel(request))
        assert plivo.calls[0].status == "cancel"
        wrong = official_client(plivo, "wrong")
        with pytest.raises(exceptions.AuthenticationError):
            await asyncio.to_thread(lambda: wrong.hangup("any"))


# --- the official validators


class Validators(Protocol):
    def validate_v3_signature(
        self, method: str, uri: str, nonce: str, auth_token: str, v3_signature: str,
        params: dict[str, list[str]],
    ) -> bool: ...  # fmt: skip

    def validate_signature(self, uri: str, nonce: str, signature: str, auth_token: str) -> bool: ...


OFFICIAL = cast("Validators", utils)


def check(seen: Seen, *, main_token: str = AUTH_TOKEN) -> None:
    uri, headers = f"http://{seen.host}{seen.path}", seen.headers
    params: dict[str, list[str]] = {}
    for name, value in seen.params:
        params.setdefault(name, []).append(value)
    for prefix, token in (("", AUTH_TOKEN), ("Ma-", main_token)):
        if "X-Plivo-Signature-V3-Nonce" in headers:
            assert OFFICIAL.validate_v3_signature(
                seen.method, uri, headers["X-Plivo-Signature-V3-Nonce"], token,
                headers[f"X-Plivo-Signature-{prefix}V3"], dict(params),
            )  # fmt: skip
        if "X-Plivo-Signature-V2-Nonce" in headers:
            nonce = headers["X-Plivo-Signature-V2-Nonce"]
            signature = headers[f"X-Plivo-Signature-{prefix}V2"]
            assert OFFICIAL.validate_signature(uri, nonce, signature, token)


@pytest.mark.parametrize("signatures", ["both", "v2", "v3"])
async def test_every_webhook_passes_the_official_validators(
    app: WebhookApp, signatures: Signatures
) -> None:
    url = answers(
        app,
        "/voice",
        '<Response><GetInput action="/heard?x=%2B1" inputType="speech"/></Response>',
    )
    answers(
        app, "/heard", f'<Response><Redirect method="GET">{app.origin}/end</Redirect></Response>'
    )
    answers(app, "/end", HELLO)
    them = Person(["Grüße & so = gut + fertig"])
    async with emulator(app, them, signatures=signatures, main_token="main") as plivo:
        await dial(
            plivo, f"{url}?b=2&a=1#rc=2&rp=ct,5xx", ring_url=f"{app.origin}/status",
            hangup_url=f"{app.origin}/status",
        )  # fmt: skip
        await plivo.wait_idle()
        assert plivo.violations == []
    assert len(app.seen) == 5
    for seen in app.seen:
        check(seen, main_token="main")
    assert app.at("/heard")[0].form["Speech"] == "Grüße & so = gut + fertig"
    assert app.at("/heard")[0].path == "/heard?x=%2B1"
    assert app.at("/end")[0].method == "GET"
    assert ("V3-Nonce" in str(app.seen[0].headers)) is (signatures != "v2")


# --- REST


@pytest.mark.parametrize(
    ("fields", "violations"),
    [
        ({"colour": "red"}, 1),
        ({"ring_timeout": "30"}, 1),
        ({"answer_method": "PUT"}, 1),
        ({"answer_url": "/voice"}, 1),
        ({"to": "12345"}, 0),
        ({"from": "+15550009999"}, 0),
    ],
)
async def test_create_refuses_what_plivo_refuses(
    app: WebhookApp, fields: Mapping[str, object], violations: int
) -> None:
    async with emulator(app) as plivo:
        status, _ = await create(plivo, **{"answer_url": app.origin + "/voice", **fields})
        assert status == 400
        assert len(plivo.violations) == violations
        assert plivo.calls == []


async def test_operations_are_refused_in_the_wrong_state(app: WebhookApp) -> None:
    url = answers(app, "/voice", WAIT)
    transfer = {"legs": "aleg", "aleg_url": url}
    async with emulator(app, queue_seconds=0.2, other_names=True) as plivo:
        request = await dial(plivo, url)
        uuid = plivo.calls[0].uuid
        assert (await rest(plivo, "POST", f"/Call/{uuid}/", transfer))[0] == 404
        assert (await rest(plivo, "DELETE", f"/Call/{request}/"))[0] == 404
        await plivo.wait_for(uuid, "in-progress")
        assert (await rest(plivo, "DELETE", f"/Request/{request}/"))[0] == 404
        assert (await rest(plivo, "GET", f"/Call/{uuid}/"))[0] == 404
        assert (await rest(plivo, "GET", f"/Call/{uuid}/?status=queued"))[0] == 404
        assert (await rest(plivo, "GET", f"/Call/{uuid}/?status=live"))[0] == 200
        assert (await rest(plivo, "DELETE", f"/Call/{uuid}/"))[0] == 204
        assert (await rest(plivo, "GET", f"/Call/{uuid}/?status=live"))[0] == 404
        status, record = await rest(plivo, "GET", f"/Call/{uuid}/")
        assert (status, record["call_state"], record["hangup_cause_code"]) == (200, "ANSWER", 4000)
        assert plivo.violations == []


@pytest.mark.parametrize(
    ("fault", "placed"),
    [
        (Disconnect(), 0),
        (Hang(0.05), 0),
        (LoseAnswer(), 1),
        (Hang(), 0),
        (LoseAnswer(hang=True), 1),
    ],
)
async def test_the_api_loses_requests_or_answers(
    app: WebhookApp, fault: RestFault, placed: int
) -> None:
    url = answers(app, "/voice", WAIT)
    async with emulator(app) as plivo:
        plivo.faults.rest.add(fault, times=1)
        with pytest.raises((aiohttp.ServerDisconnectedError, TimeoutError)):
            await asyncio.wait_for(create(plivo, answer_url=url), 0.3)
        assert len(plivo.calls) == placed
        assert plivo.requests[0].status is None
        plivo.faults.rest.add(Fail(429, message="slow down"), times=1)
        assert (await create(plivo, answer_url=url))[0] == 429
        await dial(plivo, url)
        assert len(plivo.calls) == placed + 1


# --- lines


@pytest.mark.parametrize(
    ("person", "status", "code"),
    [
        (Person(outcome="busy"), "busy", "3010"),
        (Person(outcome="declines"), "failed", "3020"),
        (Person(outcome="failed"), "failed", "2000"),
        (Person(answers_after=None), "no-answer", "3000"),
        (Person(hangs_up=HangsUp(after_seconds=1)), "completed", "4000"),
    ],
)
async def test_a_call_ends_with_its_cause(
    app: WebhookApp, person: Person, status: str, code: str
) -> None:
    url = answers(app, "/voice", WAIT)
    async with emulator(app, person) as plivo:
        await dial(plivo, url, hangup_url=app.origin + "/status", ring_timeout=30)
        await plivo.wait_idle()
    [told] = app.at("/status")
    assert (told.form["CallStatus"], told.form["HangupCauseCode"]) == (status, code)
    assert bool(told.form["AnswerTime"]) is (status == "completed")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("<Response/>", 4010),
        (HELLO, 4010),
        ("<Response><Hangup/></Response>", 4000),
        ("<Response><Say>hello</Say></Response>", 8011),
        ("<Response><Speak>hello</Response>", 8011),
        ("<Answer/>", 8011),
        ("<!DOCTYPE x><Response/>", 8011),
        ("", 8011),
    ],
)
async def test_what_a_document_leads_to(app: WebhookApp, document: str, code: int) -> None:
    url = answers(app, "/voice", document)
    async with emulator(app) as plivo:
        await dial(plivo, url)
        await plivo.wait_idle()
        cause = plivo.calls[0].cause
        assert cause is not None
        assert cause.code == code


async def test_a_fallback_is_asked_where_the_answer_url_fails(app: WebhookApp) -> None:
    async with emulator(app, them := Person()) as plivo:
        await dial(plivo, app.origin + "/nowhere", fallback_url=answers(app, "/else", HELLO))
        await plivo.wait_idle()
        assert them.texts() == ["hello"]
        # 204 without a document.
        assert [alert.code for alert in plivo.alerts] == [8011]


async def test_keys_speech_and_silence(app: WebhookApp) -> None:
    listen = (
        '<Response><GetInput action="/heard" inputType="dtmf speech" executionTimeout="5" '
        'digitEndTimeout="2" speechEndTimeout="2">'
        "<Speak>Yes? What can we do for you on this fine day?</Speak></GetInput>"
        "<Speak>nothing</Speak><Redirect>/voice</Redirect></Response>"
    )
    url = answers(app, "/voice", listen)
    answers(app, "/heard", listen)
    words = " ".join(["word"] * 30)
    them = Person(
        [Reply(digits="12#3"), "spoken", None, Reply("cut off", barges_in=True, after=0.1), words],
        hangs_up=HangsUp(after_gather=6),
    )
    async with emulator(app, them) as plivo:
        await dial(plivo, url)
        await plivo.wait_idle()
        assert plivo.violations == []
    heard = [(s.form["InputType"], s.form["Digits"] or s.form["Speech"]) for s in app.at("/heard")]
    # Twelve seconds of words do not fit into five.
    assert heard == [("dtmf", "12"), ("speech", "spoken"), ("speech", "cut off")]
    assert "nothing" in them.texts()
    assert not all(item.complete for item in them.heard if item.text.startswith("Yes?"))


async def test_an_inbound_call_is_refused_without_an_answer(app: WebhookApp) -> None:
    answers(app, "/in", '<Response><Hangup reason="busy"/></Response>')
    async with emulator(app) as plivo:
        call = plivo.call_in(THEM, US, Person())
        await plivo.wait_idle()
        assert (call.status, call.answered_at) == ("busy", None)
    assert "RequestUUID" not in app.at("/in")[0].form
    assert app.at("/in")[0].form["From"] == "15550005678"
    assert app.at("/ended")[0].form["HangupCauseCode"] == "3010"


async def test_without_a_hang_up_url_the_answer_url_is_told(app: WebhookApp) -> None:
    url = answers(app, "/voice", HELLO)
    async with emulator(app) as plivo:
        await dial(plivo, url)
        await plivo.wait_idle()
    assert [seen.form["Event"] for seen in app.at("/voice")] == ["StartApp", "Hangup"]


# --- faults


def is_ring(webhook: Webhook) -> bool:
    return webhook.kind == "ring"


@pytest.mark.parametrize(
    ("fault", "rings", "last"),
    [
        (Drop(), 0, "Hangup"),
        (Repeat(2), 3, "Hangup"),
        (Repeat(2, at_once=True), 3, "Hangup"),
        (Delay(0.2), 1, "Ring"),
        (Postpone(), 1, "Ring"),
    ],
)
async def test_webhooks_are_lost_repeated_and_late(
    app: WebhookApp, fault: Delay | Drop | Postpone | Repeat, rings: int, last: str
) -> None:
    url = answers(app, "/voice", HELLO)
    status = app.origin + "/status"
    async with emulator(app) as plivo:
        plivo.faults.webhooks.add(fault, when=is_ring)
        await dial(plivo, url, ring_url=status, hangup_url=status)
        await plivo.wait_idle()
    told = [seen.form["Event"] for seen in app.at("/status")]
    assert told.count("Ring") == rings
    if not isinstance(fault, Postpone):
        assert told[-1] == last


async def test_a_failed_fetch_is_tried_again_as_the_url_says(app: WebhookApp) -> None:
    url = app.answer("/voice", _fails(503), _fails(503), HELLO)
    async with emulator(app, them := Person()) as plivo:
        await dial(plivo, f"{url}#rc=2&rp=5xx")
        await plivo.wait_idle()
        assert them.texts() == ["hello"]
        assert [each.status for each in plivo.deliveries if each.kind == "answer"] == [
            503,
            503,
            200,
        ]


def _fails(status: int) -> web.Response:
    return web.Response(status=status)


def test_overrides_are_read_and_their_mistakes_named() -> None:
    overrides = parse_overrides("ct=500&rt=2000&tt=9000&rc=3&rp=5xx,ct&er=mumbai")
    assert (overrides.connect, overrides.read, overrides.total) == (0.5, 2.0, 9.0)
    assert overrides.retries == 3
    assert overrides.retry("5xx")
    assert not overrides.retry("4xx")
    assert not overrides.retry("")
    assert overrides.problems == ()
    assert len(parse_overrides("rc=9&rp=never&xx=1&ct=50&er=mars").problems) == 5


@given(st.one_of(st.text(), st.text().map(lambda t: f"<Response>{t}</Response>")))
def test_any_text_is_a_document_or_a_document_error(text: str) -> None:
    try:
        document = parse(text)
    except DocumentError:
        return
    assert "<" in text
    assert isinstance(document, Document)


@pytest.mark.parametrize(
    "element",
    [
        '<Speak colour="red">x</Speak>',
        "<Speak></Speak>",
        f"<Speak>{'x' * 3001}</Speak>",
        '<GetInput inputType="speech" executionTimeout="4" action="/x"/>',
        '<GetInput inputType="speech" speechEndTimeout="1" action="/x"/>',
        '<GetInput inputType="voice" action="/x"/>',
        '<GetInput inputType="speech"/>',
        "<DTMF>1 2</DTMF>",
        '<Wait length="0"/>',
        "<Redirect/>",
        '<Hangup reason="tired"/>',
        "<Record/>",
    ],
)
def test_what_plivo_would_correct_is_a_violation(element: str) -> None:
    assert len(parse(f"<Response>{element}</Response>").problems) == 1
