"""Which URL was signed: public forms, ports, mapped paths, proxies, and people who lie about it."""

from collections.abc import Mapping

import pytest

from tests.e2e.conftest import CALLEE, OUR_NUMBER, Setup, StartSetup
from tests.emulators.twilio import ACCOUNT_SID, Delivery, HangsUp, Person

OPEN = {"inboundPolicy": "open", "inboundGreeting": "Hello, you are connected."}
STRANGER = "https://stranger.example.net/voice/webhook"


async def a_whole_call(phone: Setup) -> None:
    """Out and in: every request of the carrier is believed."""
    callee = Person(["Hello?"], hangs_up=HangsUp(after_hearing="You said"))
    phone.twilio.people[CALLEE] = callee
    call = await phone.gateway.initiate(CALLEE)
    await phone.gateway.wait_state(call, "hangup-user")
    assert callee.texts() == ["You said: Hello?"]
    caller = Person(hangs_up=HangsUp(after_hearing="connected"))
    incoming = phone.twilio.call_in("+15550009876", OUR_NUMBER, caller)
    await phone.twilio.wait_for(incoming.sid, "completed")
    assert caller.texts() == ["Hello, you are connected."]
    await phone.twilio.wait_idle()
    assert {each.status for each in phone.twilio.deliveries} <= {200, 204}


def a_call_in(sid: str = "CA" + "e" * 32) -> Mapping[str, str]:
    return {
        "CallSid": sid,
        "AccountSid": ACCOUNT_SID,
        "From": CALLEE,
        "To": OUR_NUMBER,
        "CallStatus": "ringing",
        "Direction": "inbound",
    }


async def post(
    phone: Setup, signed_url: str, headers: Mapping[str, str], sid: str = "CA" + "e" * 32
) -> Delivery:
    """A call that comes in, signed for a URL, sent straight to the webhook server."""
    phone.twilio.origins[signed_url] = phone.local_url
    return await phone.twilio.post(signed_url, a_call_in(sid), headers=headers)


@pytest.mark.scenario("F87", "F88", "F89", "F90", carrier="twilio")
@pytest.mark.parametrize("with_port", [False, True], ids=["signed-bare", "signed-with-port"])
@pytest.mark.parametrize(
    "public_url",
    [
        "https://voice.example.com/voice/webhook",
        "https://voice.example.com:443/voice/webhook",
        "https://voice.example.com:8443/voice/webhook",
        "https://voice.example.com/hooks/phone",
        "https://Voice.Example.com/hooks/phone/",
        "http://voice.example.com/voice/webhook",
        "http://voice.example.com:8080/voice/webhook",
    ],
)
async def test_webhooks_are_believed_for_every_form_of_the_public_url(
    setup: StartSetup, public_url: str, with_port: bool
) -> None:
    """Every URL that we hand out has a query, which `publicUrl` has not; the server sees http."""
    phone = await setup(OPEN, public_url=public_url, sign_with_port=with_port)
    await a_whole_call(phone)


@pytest.mark.scenario("F88", carrier="twilio")
async def test_no_more_than_the_port_may_vary(setup: StartSetup) -> None:
    public_url = "https://voice.example.com:8443/voice/webhook"
    phone = await setup(OPEN, public_url=public_url, sign_with_port=True)
    for wrong in (
        "https://voice.example.com:9443/voice/webhook",
        "http://voice.example.com:8443/voice/webhook",
        "https://voice.example.org:8443/voice/webhook",
        "https://voice.example.com:8443/voice/other",
    ):
        assert (await post(phone, wrong, {})).status == 401, wrong
    assert await phone.gateway.calls() == []


@pytest.mark.scenario("A2", "F90", carrier="twilio")
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "stranger.example.net", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=stranger.example.net;proto=https"},
        {"Host": "stranger.example.net", "X-Forwarded-Proto": "https"},
        {"X-Original-Host": "stranger.example.net", "X-Forwarded-Proto": "https"},
    ],
    ids=["x-forwarded", "forwarded", "host", "x-original"],
)
@pytest.mark.parametrize(
    "security",
    [
        {},
        {"allowedHosts": ["stranger.example.net"]},
        {"trustedProxyIPs": ["192.0.2.7"], "trustForwardingHeaders": True},
        {"trustedProxyIPs": ["127.0.0.1"], "allowedHosts": ["voice.example.com"]},
    ],
    ids=["nothing-trusted", "host-allowed", "other-proxy", "other-host"],
)
async def test_a_stranger_cannot_choose_the_url_that_is_checked(
    setup: StartSetup, headers: Mapping[str, str], security: Mapping[str, object]
) -> None:
    phone = await setup({**OPEN, "webhookSecurity": security})
    assert (await post(phone, STRANGER, headers)).status == 401
    assert await phone.gateway.calls() == []
    assert "webhook with a wrong signature refused" in phone.gateway.log


@pytest.mark.scenario("A2", "F90", carrier="twilio")
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "stranger.example.net", "X-Forwarded-Proto": "https"},
        {"Forwarded": "for=192.0.2.1;host=stranger.example.net;proto=https"},
    ],
    ids=["x-forwarded", "forwarded"],
)
async def test_a_trusted_proxy_may_name_an_allowed_host(
    setup: StartSetup, headers: Mapping[str, str]
) -> None:
    security = {"trustedProxyIPs": ["127.0.0.0/8"], "allowedHosts": ["stranger.example.net"]}
    phone = await setup({**OPEN, "webhookSecurity": security})
    answer = await post(phone, STRANGER, headers)
    assert answer.status == 200
    assert "you are connected" in answer.body
    await phone.gateway.end("CA" + "e" * 32, at_once=True)


@pytest.mark.scenario("F90", carrier="twilio")
@pytest.mark.parametrize("trusted", [False, True])
async def test_scheme_and_port_are_as_believable_as_who_forwards_them(
    setup: StartSetup, trusted: bool
) -> None:
    security = {"trustedProxyIPs": ["127.0.0.1"], "allowedHosts": ["voice.example.com"]}
    phone = await setup({**OPEN, "webhookSecurity": security if trusted else {}})
    plain = {"X-Forwarded-Host": "voice.example.com", "X-Forwarded-Proto": "http"}
    other_port = {
        "X-Forwarded-Host": "voice.example.com",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "9443",
    }
    expected = 200 if trusted else 401
    for n, (url, headers) in enumerate(
        [
            ("http://voice.example.com/voice/webhook", plain),
            ("http://voice.example.com:9080/voice/webhook", {**plain, "X-Forwarded-Port": "9080"}),
        ]
    ):
        sid = f"CA{n:032}"
        assert (await post(phone, url, headers, sid)).status == expected, url
        if trusted:
            await phone.gateway.end(sid, at_once=True)
    # For https a port of its own is signed or not, so it is no stranger's lever: the host counts.
    assert (await post(phone, "https://voice.example.com/voice/webhook", other_port)).status == 200
    await phone.gateway.end("CA" + "e" * 32, at_once=True)


@pytest.mark.scenario("A3", carrier="twilio")
@pytest.mark.parametrize("host", ["abcd.ngrok-free.app", "stranger.example.net"])
async def test_the_ngrok_option_accepts_no_wrong_signature(setup: StartSetup, host: str) -> None:
    phone = await setup(
        {**OPEN, "tunnel": {"provider": "none", "allowNgrokFreeTierLoopbackBypass": True}}
    )
    headers = {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https"}
    url = f"https://{host}/voice/webhook"
    phone.twilio.origins[url] = phone.local_url
    for signature in ("", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "nonsense"):
        answer = await phone.twilio.post(url, a_call_in(), headers=headers, signature=signature)
        assert answer.status == 401
    right = await post(phone, url, headers)
    # All that the option does: the host of an ngrok tunnel may be taken from its headers.
    assert right.status == (200 if host.endswith("ngrok-free.app") else 401)
    for call in await phone.gateway.calls():
        await phone.gateway.end(call.call_id, at_once=True)


async def test_trusting_everybodys_headers_is_warned_of(setup: StartSetup) -> None:
    phone = await setup({"webhookSecurity": {"trustForwardingHeaders": True}})
    assert "warn: plugins.entries.voice-call.config.webhookSecurity.trustForwardingHeaders" in (
        phone.gateway.log
    )
