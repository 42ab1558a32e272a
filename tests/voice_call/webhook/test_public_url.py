"""Which URL a signature is checked for, and who can influence it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.interfaces.carrier import WebhookRequest
from openclaw_voice_call.webhook.public_url import Host, UrlPolicy, candidates, parse_host

PATH = "/voice/webhook"
PUBLIC = "https://voice.example.com/voice/webhook"
PROXY = "10.1.2.3"
STRANGER = "203.0.113.9"
A_EXAMPLE = {"x-forwarded-host": "a.example", "x-forwarded-proto": "https"}
FORWARDED = {"x-forwarded-host": "voice.example.com", "x-forwarded-proto": "https"}


def request(
    headers: dict[str, str] | None = None,
    *,
    target: str = PATH,
    remote: str = STRANGER,
    host: str | None = "127.0.0.1:3334",
) -> WebhookRequest:
    own = {} if host is None else {"host": host}
    return WebhookRequest("POST", target, {**own, **(headers or {})}, b"", remote)


def urls(
    asked: WebhookRequest,
    *,
    public_url: str | None = None,
    allowed_hosts: tuple[str, ...] = (),
    trust: bool = False,
    proxies: tuple[str, ...] = (),
    ngrok: bool = False,
) -> list[str]:
    policy = UrlPolicy(
        serve_path=PATH,
        public_url=public_url,
        allowed_hosts=allowed_hosts,
        trust_forwarding_headers=trust,
        trusted_proxies=proxies,
        ngrok_bypass=ngrok,
    )
    return list(candidates(asked, policy))


@pytest.mark.parametrize(
    ("public_url", "target", "url"),
    [
        (PUBLIC, PATH, PUBLIC),
        # A query that the owner did not configure is the request's, byte for byte.
        (
            PUBLIC,
            PATH + "?type=step&call=a%20b&x=%E2%82%ac+1",
            PUBLIC + "?type=step&call=a%20b&x=%E2%82%ac+1",
        ),
        (PUBLIC, PATH + "?", PUBLIC + "?"),
        (PUBLIC + "?a=1", PATH + "?a=1&b=2", PUBLIC + "?a=1&b=2"),
        # The port stays as it was written.
        ("https://voice.example.com:8443/hook", PATH, "https://voice.example.com:8443/hook"),
        ("https://voice.example.com:443/hook", PATH, "https://voice.example.com:443/hook"),
        # A proxy that maps paths.
        ("https://example.com/phone/in", PATH + "?a=1", "https://example.com/phone/in?a=1"),
        ("https://voice.example.com", PATH, "https://voice.example.com/voice/webhook"),
    ],
)
@pytest.mark.scenario("F87", "F89")
def test_the_public_url_decides(public_url: str, target: str, url: str) -> None:
    forged = {**FORWARDED, "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    assert urls(request(target=target), public_url=public_url) == [url]
    assert urls(request(forged, target=target), public_url=public_url) == [url]
    assert urls(request(target=target, host=None), public_url=public_url) == [url]


def test_without_any_setting_the_host_header_and_http() -> None:
    assert urls(request(target=PATH + "?a=1")) == ["http://127.0.0.1:3334/voice/webhook?a=1"]
    assert urls(request(host="[::1]:80")) == ["http://[::1]:80/voice/webhook"]


@pytest.mark.scenario("A2", "F90")
def test_a_stranger_cannot_inject_host_proto_or_port() -> None:
    forged = {
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "8443",
        "forwarded": "host=evil.example;proto=https",
    }
    plain = ["http://127.0.0.1:3334/voice/webhook"]
    assert urls(request(forged)) == plain
    assert urls(request(forged), proxies=(PROXY,)) == plain
    # A list of proxies limits the general trust instead of being widened by it.
    assert urls(request(forged), proxies=(PROXY,), trust=True) == plain
    assert urls(request(forged), allowed_hosts=("evil.example",)) == []
    assert urls(request(forged), ngrok=True) == plain


@pytest.mark.scenario("A2", "F90")
@pytest.mark.parametrize(
    ("proxies", "remote"),
    [
        (("10.1.2.3",), "10.1.2.3"),
        (("10.0.0.0/8",), "10.1.2.3"),
        (("10.0.0.0/8",), "::ffff:10.1.2.3"),
        (("::ffff:10.1.2.3",), "10.1.2.3"),
        (("::ffff:10.0.0.0/104",), "10.1.2.3"),
        (("fd00::/8", "192.0.2.1"), "fd00::7"),
    ],
)
def test_a_trusted_proxy_names_the_origin(proxies: tuple[str, ...], remote: str) -> None:
    asked = request(FORWARDED, target=PATH + "?a=1", remote=remote)
    assert urls(asked, proxies=proxies) == [PUBLIC + "?a=1"]
    assert urls(asked, proxies=proxies, allowed_hosts=("Voice.Example.com",)) == [PUBLIC + "?a=1"]
    assert urls(asked, proxies=proxies, allowed_hosts=("other.example.com",)) == []
    assert urls(asked, proxies=("192.0.2.77",)) == ["http://127.0.0.1:3334/voice/webhook?a=1"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-forwarded-proto": "https"}, ["https://own.example/voice/webhook"]),
        ({"x-forwarded-host": "a.example"}, ["http://a.example/voice/webhook"]),
        # Only what the nearest proxy wrote counts.
        (
            {"x-forwarded-host": "evil.example, a.example", "x-forwarded-proto": "http, https"},
            ["https://a.example/voice/webhook"],
        ),
        (
            {
                "x-forwarded-host": "a.example",
                "x-forwarded-proto": "https",
                "x-forwarded-port": "8443",
            },
            ["https://a.example/voice/webhook", "https://a.example:8443/voice/webhook"],
        ),
        (
            {
                "x-forwarded-host": "a.example",
                "x-forwarded-proto": "https",
                "x-forwarded-port": "443",
            },
            ["https://a.example/voice/webhook"],
        ),
        (
            {
                "x-forwarded-host": "a.example:9",
                "x-forwarded-proto": "https",
                "x-forwarded-port": "8",
            },
            ["https://a.example:9/voice/webhook"],
        ),
        (
            {"forwarded": 'host=evil.example, for="[::1]"; Proto=HTTPS; host="a.example:8443"'},
            ["https://a.example:8443/voice/webhook"],
        ),
        (
            A_EXAMPLE | {"forwarded": "host=a.example;proto=https"},
            ["https://a.example/voice/webhook"],
        ),
        # What is malformed is as good as absent.
        (
            {"x-forwarded-host": "a b", "x-forwarded-proto": "https"},
            ["http://own.example/voice/webhook"],
        ),
        ({"x-forwarded-proto": "gopher"}, ["http://own.example/voice/webhook"]),
        (
            {"forwarded": "host=a.example;host=b.example"},
            ["http://own.example/voice/webhook"],
        ),
    ],
)
def test_forwarding_headers_of_a_trusted_proxy(
    headers: dict[str, str], expected: list[str]
) -> None:
    asked = request(headers, remote=PROXY, host="own.example")
    assert urls(asked, proxies=(PROXY,)) == expected
    assert urls(asked, trust=True) == expected


def test_general_trust_is_announced() -> None:
    alone = UrlPolicy(serve_path=PATH, trust_forwarding_headers=True)
    listed = UrlPolicy(serve_path=PATH, trust_forwarding_headers=True, trusted_proxies=[PROXY])
    assert "trustForwardingHeaders" in alone.notices[0]
    assert listed.notices == ()


@pytest.mark.parametrize("remote", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.scenario("A3")
def test_the_ngrok_option_only_rebuilds_urls_of_ngrok(remote: str) -> None:
    ngrok = {"x-forwarded-host": "abc.ngrok-free.app", "x-forwarded-proto": "https"}
    url = "https://abc.ngrok-free.app/voice/webhook"
    local = ["http://127.0.0.1:3334/voice/webhook"]
    assert urls(request(ngrok, remote=remote), ngrok=True) == [url]
    # The agent keeps the host it was called by.
    kept = request({"x-forwarded-proto": "https"}, remote=remote, host="abc.ngrok-free.app")
    assert urls(kept, ngrok=True) == [url]
    assert urls(request(ngrok, remote=remote)) == local
    assert urls(request(ngrok, remote=STRANGER), ngrok=True) == local
    assert urls(request(FORWARDED, remote=remote), ngrok=True) == local
    other = {**ngrok, "x-forwarded-host": "ngrok-free.app.evil.example"}
    assert urls(request(other, remote=remote), ngrok=True) == local


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("example.com", Host("example.com", None)),
        ("example.com:8443", Host("example.com", 8443)),
        ("[::1]", Host("[::1]", None)),
        ("[2001:db8::1]:443", Host("[2001:db8::1]", 443)),
        (None, None),
        ("", None),
        ("[::1", None),
        ("[", None),
        ("[]", None),
        ("a:b:c", None),
        ("example.com:", None),
        ("example.com:0", None),
        ("example.com:65536", None),
        ("example.com:٣", None),
        ("exa mple.com", None),
        ("user@example.com", None),
        ("example.com/path", None),
        ("a" * 256, None),
    ],
)
@pytest.mark.scenario("F93")
def test_host_headers(value: str | None, host: Host | None) -> None:
    assert parse_host(value) == host


HEADER = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.text(alphabet='abh.:;,="[]\\ 0159-', max_size=60),
    st.sampled_from(["https", "voice.example.com", "host=a.example;proto=https", "8443"]),
)


@given(HEADER, HEADER, HEADER, HEADER, HEADER, st.text(max_size=20))
def test_no_header_breaks_the_reading(
    host: str | None,
    proto: str | None,
    forwarded_host: str | None,
    port: str | None,
    forwarded: str | None,
    remote: str,
) -> None:
    headers = {
        "host": host,
        "x-forwarded-proto": proto,
        "x-forwarded-host": forwarded_host,
        "x-forwarded-port": port,
        "forwarded": forwarded,
    }
    given_headers = {name: value for name, value in headers.items() if value is not None}
    asked = WebhookRequest("POST", PATH, given_headers, b"", remote)
    for found in (urls(asked, trust=True), urls(asked, proxies=(PROXY,), ngrok=True)):
        assert len(found) == len(set(found)) <= 6
        assert all(url.startswith(("http://", "https://")) for url in found)


@pytest.mark.parametrize("proxy", ["proxy.example", "10.0.0.0/33", ""])
def test_a_proxy_that_is_no_address_is_refused(proxy: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        UrlPolicy(serve_path=PATH, trusted_proxies=[proxy])


@pytest.mark.parametrize("url", ["voice.example.com", "ftp://voice.example.com/x", "https:///x"])
def test_a_public_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="publicUrl"):
        UrlPolicy(serve_path=PATH, public_url=url)
