"""Twilio's signature: recorded vectors, agreement with the official package, and its corners."""

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypedDict, cast
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator  # pyright: ignore[reportMissingTypeStubs]

from openclaw_voice_call.carriers.twilio.signature import (
    HMAC_SHA256,
    body_hash_holds,
    compute_signature,
    matching_url,
    port_variants,
)
from openclaw_voice_call.carriers.twilio.webhook import verify_webhook
from openclaw_voice_call.errors import SignatureError
from openclaw_voice_call.interfaces.carrier import WebhookRequest

TOKEN = "a9f1c0ffee00112233445566778899aa"
URL = "https://voice.example.org/voice/webhook?type=step&call=c"


class Vector(TypedDict):
    id: str
    auth_token: str
    method: str
    url: str
    content_type: str | None
    params: list[tuple[str, str]] | None
    raw_body: str | None
    headers: dict[str, str]
    valid: bool


class VectorFile(TypedDict):
    vectors: list[Vector]


def _vectors() -> list[Vector]:
    text = (Path(__file__).parent / "data" / "signatures.json").read_text("utf-8")
    loaded: VectorFile = json.loads(text)
    return loaded["vectors"]


def request_for(url: str, vector: Vector) -> WebhookRequest:
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    if vector["content_type"] is not None:
        headers["content-type"] = vector["content_type"]
    target = "/" + url.split("://", 1)[1].partition("/")[2]
    body = (vector["raw_body"] or "").encode()
    return WebhookRequest(vector["method"], target, headers, body, "192.0.2.1")


@pytest.mark.parametrize("vector", _vectors(), ids=lambda vector: vector["id"])
@pytest.mark.scenario("F91")
def test_every_vector_gets_its_verdict(vector: Vector) -> None:
    url = vector["url"]
    if url.startswith("wss:"):
        # Upgrades are proved by the pass in their path; Twilio signs them like any other GET, some
        # with a slash at the end.
        signature = vector["headers"]["X-Twilio-Signature"]
        match = matching_url(vector["auth_token"], [url, f"{url}/"], (), signature)
        assert (match is not None) is vector["valid"]
    elif vector["valid"]:
        verified = verify_webhook(request_for(url, vector), vector["auth_token"], [url])
        if vector["params"] is not None:
            assert verified.params == dict(vector["params"])
    else:
        with pytest.raises(SignatureError):
            verify_webhook(request_for(url, vector), vector["auth_token"], [url])


def test_all_vectors_are_there() -> None:
    assert [vector["id"] for vector in _vectors()] == [f"tw-{n:02}" for n in range(1, 25)]


# --- agreement with the official package

_HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z][a-z0-9]{1,5}){1,2}", fullmatch=True)
_PATHS = st.from_regex(r"(/[A-Za-z0-9._~%-]{0,6}){1,3}", fullmatch=True)
_QUERIES = st.from_regex(r"\?[A-Za-z0-9=&%+'._-]{1,20}", fullmatch=True) | st.just("")
_PORTS = st.sampled_from(["", ":443", ":80", ":8443", ":3334"])
_URLS = st.tuples(st.sampled_from(["https://", "http://"]), _HOSTS, _PORTS, _PATHS, _QUERIES).map(
    "".join
)
_NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=4)
_FORMS = st.lists(st.tuples(_NAMES, st.text(max_size=12)), max_size=8)
_ALGORITHMS = st.sampled_from([None, "HMAC_SHA1", "HMAC_SHA256", "hmac_sha256", "HMAC_MD5"])


class OfficialValidator(Protocol):
    """The official package's class, which has no types of its own."""

    def compute_signature(self, uri: str, params: MultiDict[str], algorithm: str | None) -> str: ...

    def validate(
        self, uri: str, params: MultiDict[str], signature: str, algorithm: str | None
    ) -> bool: ...


def official(token: str, url: str, form: Sequence[tuple[str, str]], algorithm: str | None) -> str:
    validator = cast(OfficialValidator, RequestValidator(token))
    return validator.compute_signature(url, MultiDict(form), algorithm)


def official_verdict(
    token: str, url: str, form: Sequence[tuple[str, str]], signature: str, algorithm: str | None
) -> bool:
    validator = cast(OfficialValidator, RequestValidator(token))
    return validator.validate(url, MultiDict(form), signature, algorithm)


@given(_URLS, _FORMS)
def test_computes_what_the_official_package_computes(url: str, form: list[tuple[str, str]]) -> None:
    assert compute_signature(TOKEN, url, form) == official(TOKEN, url, form, None)
    assert compute_signature(TOKEN, url, form, HMAC_SHA256) == official(
        TOKEN, url, form, "HMAC_SHA256"
    )


@given(
    url=_URLS,
    form=_FORMS,
    signed_port=_PORTS,
    signed_form=_FORMS | st.none(),
    token=st.sampled_from([TOKEN, "another"]),
    algorithm=_ALGORITHMS,
)
@pytest.mark.scenario("F88", "F91")
def test_accepts_what_the_official_package_accepts(
    url: str,
    form: list[tuple[str, str]],
    signed_port: str,
    signed_form: list[tuple[str, str]] | None,
    token: str,
    algorithm: str | None,
) -> None:
    scheme, rest = url.split("://")
    authority, slash, tail = rest.partition("/")
    signed_url = f"{scheme}://{authority.partition(':')[0]}{signed_port}{slash}{tail}"
    algorithm_used = None if algorithm == "HMAC_MD5" else algorithm
    signature = official(token, signed_url, signed_form or form, algorithm_used)

    ours = matching_url(
        TOKEN,
        [url],
        form,
        signature,
        None if algorithm is None else f"key=webhooks_sharedkey_01 , algorithm = {algorithm}",
    )

    assert (ours is not None) is official_verdict(TOKEN, url, form, signature, algorithm)


@given(_FORMS)
@pytest.mark.scenario("F91")
def test_a_form_survives_the_wire(form: list[tuple[str, str]]) -> None:
    """Blank values, plus signs, repeated names and every alphabet are decoded exactly."""
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "x-twilio-signature": official(TOKEN, URL, form, None),
    }
    request = WebhookRequest("POST", "/x", headers, urlencode(form).encode(), "192.0.2.1")
    assert verify_webhook(request, TOKEN, [URL]).params == dict(form)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_never_fails_on_garbage(url: str, signature: str, settings: str) -> None:
    assert matching_url(TOKEN, [url], [("a", "b")], signature, settings) is None


# --- corners


@pytest.mark.parametrize(
    ("url", "variants"),
    [
        ("https://h/p?q", {"https://h/p?q", "https://h:443/p?q"}),
        ("https://h:8443/p", {"https://h:8443/p", "https://h/p"}),
        ("http://h", {"http://h", "http://h:80"}),
        ("wss://h/s", {"wss://h/s", "wss://h:443/s"}),
        (
            "https://[2001:db8::1]:8443/p",
            {"https://[2001:db8::1]:8443/p", "https://[2001:db8::1]/p"},
        ),
        ("https://[2001:db8::1]/p", {"https://[2001:db8::1]/p", "https://[2001:db8::1]:443/p"}),
        (
            "https://user:pa@ss:1@h:8443/p?x=a@b:1",
            {
                "https://user:pa@ss:1@h:8443/p?x=a@b:1",
                "https://user:pa@ss:1@h/p?x=a@b:1",
                "https://h:8443/p?x=a@b:1",
                "https://h/p?x=a@b:1",
            },
        ),
        ("https://h:/p", {"https://h/p", "https://h:443/p"}),
        ("https://h?q=:1", {"https://h?q=:1", "https://h:443?q=:1"}),
        ("https://h/p#rc=2", {"https://h/p", "https://h:443/p"}),
        ("nonsense", {"nonsense"}),
    ],
)
@pytest.mark.scenario("F88")
def test_only_the_port_varies(url: str, variants: set[str]) -> None:
    assert set(port_variants(url)) == variants


@pytest.mark.parametrize(
    "other",
    [
        "http://voice.example.org:8443/voice/webhook",
        "https://voice.example.org:9443/voice/webhook",
        "https://voice.example.org.:8443/voice/webhook",
        "https://voice.example.org:8443/voice/webhook/",
        "https://voice.example.org:8443/voice/webhook?",
        "https://evil.example.org:8443/voice/webhook",
    ],
)
@pytest.mark.scenario("F88")
def test_another_url_is_another_url(other: str) -> None:
    signature = official(TOKEN, "https://voice.example.org:8443/voice/webhook", [], None)
    assert matching_url(TOKEN, [other], [], signature) is None


def test_the_url_that_was_signed_is_the_one_returned() -> None:
    urls = ["https://a.example/x", "https://b.example/x", "https://c.example/x"]
    assert matching_url(TOKEN, urls, [], official(TOKEN, urls[1], [], None)) == urls[1]


def test_an_empty_token_or_signature_is_never_right() -> None:
    made_without_token = official("", URL, [], None)
    assert matching_url("", [URL], [], made_without_token) is None
    assert matching_url(TOKEN, [URL], [], "") is None
    assert matching_url(TOKEN, [URL], [], None) is None
    assert matching_url(TOKEN, [], [], official(TOKEN, URL, [], None)) is None


@pytest.mark.parametrize("query", ["", "?bodySHA256=", "?bodySHA256=00", "?x=1"])
def test_a_body_without_its_hash_does_not_hold(query: str) -> None:
    assert not body_hash_holds(f"https://h/p{query}", b"{}")
