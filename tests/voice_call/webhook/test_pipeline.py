"""From a request to its answer, without a socket."""

from __future__ import annotations

import logging

import pytest

from openclaw_voice_call.errors import Conflict, JournalRefused
from openclaw_voice_call.interfaces.carrier import WebhookRequest
from openclaw_voice_call.webhook.pipeline import Burst, WebhookPipeline
from openclaw_voice_call.webhook.public_url import UrlPolicy
from tests.voice_call.webhook.fakes import SIGNATURE, Desk, HmacCarrier, sign

PATH = "/voice/webhook"
PUBLIC = "https://voice.example.com/voice/webhook"
POLICY = UrlPolicy(serve_path=PATH, public_url=PUBLIC)


def webhook(
    body: bytes = b"CA1",
    *,
    url: str = PUBLIC,
    signature: str | None = None,
    headers: dict[str, str] | None = None,
    remote: str = "203.0.113.9",
) -> WebhookRequest:
    signed = {SIGNATURE: sign(url, body) if signature is None else signature}
    return WebhookRequest("POST", PATH, {**signed, **(headers or {})}, body, remote)


def pipeline(desk: Desk, policy: UrlPolicy = POLICY, **options: bool | float) -> WebhookPipeline:
    return WebhookPipeline(
        HmacCarrier(),
        desk,
        policy,
        skip_verification=bool(options.get("skip", False)),
        answer_limit_s=options.get("limit", 5.0),
    )


async def test_a_signed_webhook_is_delivered_and_answered() -> None:
    desk = Desk()
    proofs: list[int] = []
    reply = await pipeline(desk).handle(webhook(), lambda: proofs.append(len(desk.received)))
    assert (reply.status, reply.body) == (200, b"ok")
    assert [each.envelopes[0].carrier_call_id for each in desk.received] == ["CA1"]
    assert proofs == [0], "the sender is known before anything is delivered"


async def test_a_wrong_signature_reaches_nobody(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    door = pipeline(desk)
    proofs: list[None] = []
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            request = webhook(signature=sign("https://evil.example/voice/webhook", b"CA1"))
            reply = await door.handle(request, lambda: proofs.append(None))
            assert reply.status == 401
    assert desk.received == []
    assert proofs == []
    assert len(caplog.records) == 1
    (record,) = caplog.records
    assert "publicUrl" in record.getMessage()
    everything = f"{record.getMessage()} {record.__dict__}"
    assert sign("https://evil.example/voice/webhook", b"CA1") not in everything


@pytest.mark.scenario("A2")
async def test_a_request_signed_for_another_host_is_not_ours() -> None:
    desk = Desk()
    policy = UrlPolicy(
        serve_path=PATH, allowed_hosts=["voice.example.com"], trusted_proxies=["10.0.0.1"]
    )
    door = pipeline(desk, policy)

    def forwarded(host: str, remote: str) -> WebhookRequest:
        headers = {"x-forwarded-host": host, "x-forwarded-proto": "https", "host": "127.0.0.1:3334"}
        return webhook(url=f"https://{host}{PATH}", headers=headers, remote=remote)

    # 400 or 401: nothing that such a request says about its URL is believed.
    assert (await door.handle(forwarded("evil.example", "203.0.113.9"))).status in (400, 401)
    assert (await door.handle(forwarded("voice.example.com", "203.0.113.9"))).status in (400, 401)
    assert (await door.handle(forwarded("evil.example", "10.0.0.1"))).status in (400, 401)
    assert desk.received == []
    assert (await door.handle(forwarded("voice.example.com", "10.0.0.1"))).status == 200

    strict = pipeline(desk, UrlPolicy(serve_path=PATH, trusted_proxies=["10.0.0.1"]))
    assert (await strict.handle(forwarded("evil.example", "203.0.113.9"))).status == 401


@pytest.mark.scenario("A3")
async def test_the_ngrok_option_accepts_no_wrong_signature() -> None:
    desk = Desk()
    door = pipeline(desk, UrlPolicy(serve_path=PATH, ngrok_bypass=True))
    headers = {"x-forwarded-host": "abc.ngrok-free.app", "x-forwarded-proto": "https"}
    url = f"https://abc.ngrok-free.app{PATH}"
    wrong = webhook(signature="0" * 64, headers=headers, remote="127.0.0.1")
    assert (await door.handle(wrong)).status == 401
    assert desk.received == []
    right = webhook(url=url, headers=headers, remote="127.0.0.1")
    assert (await door.handle(right)).status == 200


@pytest.mark.scenario("F93")
@pytest.mark.parametrize("headers", [{}, {"host": "[::1"}, {"host": ""}, {"host": "a,b"}])
async def test_a_request_that_shows_no_url_is_a_bad_request(headers: dict[str, str]) -> None:
    desk = Desk()
    door = pipeline(desk, UrlPolicy(serve_path=PATH))
    assert (await door.handle(webhook(headers=headers))).status == 400
    assert desk.received == []


@pytest.mark.parametrize("failure", [JournalRefused("disk full"), Conflict("call-1")])
async def test_what_was_not_stored_is_asked_for_again(failure: Exception) -> None:
    desk = Desk()
    desk.failures = [failure]
    door = pipeline(desk)
    assert (await door.handle(webhook())).status == 503
    assert desk.received == []
    assert (await door.handle(webhook())).status == 200
    assert len(desk.received) == 1


async def test_the_answer_is_bounded_in_time() -> None:
    desk = Desk()
    desk.gate.clear()
    reply = await pipeline(desk, limit=0.01).handle(webhook())
    assert reply.status == 503


async def test_a_signed_request_of_no_known_form_is_a_bad_request() -> None:
    desk = Desk()
    assert (await pipeline(desk).handle(webhook(b""))).status == 400
    assert desk.received == []


async def test_verification_is_skipped_only_when_told() -> None:
    desk = Desk()
    unsigned = WebhookRequest("POST", PATH, {}, b"CA1", "203.0.113.9")
    assert pipeline(desk).signature_headers == (SIGNATURE,)
    assert (await pipeline(desk).handle(unsigned)).status == 401
    open_door = pipeline(desk, skip=True)
    assert open_door.signature_headers == ()
    assert (await open_door.handle(unsigned)).status == 200
    assert len(desk.received) == 1


def test_a_burst_is_told_once_with_its_size() -> None:
    burst = Burst(interval_s=60.0)
    assert [burst.count(now) for now in (100.0, 101.0, 159.9)] == [1, None, None]
    assert burst.count(160.0) == 3
    assert burst.count(161.0) is None
    # A clock that is set back does not silence it.
    assert burst.count(10.0) == 2
