"""Plivo's signatures: recorded vectors, agreement with the official package, and their corners."""

import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypedDict, cast
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo import utils  # pyright: ignore[reportMissingTypeStubs]

from openclaw_voice_call.carriers.forms import MAX_PARAMETERS
from openclaw_voice_call.carriers.plivo.links import LinkSeal
from openclaw_voice_call.carriers.plivo.signature import (
    NONCE_LIMIT,
    Match,
    compute_v2,
    compute_v3,
    matching_url,
    text_v3,
)
from openclaw_voice_call.carriers.plivo.webhook import verify_webhook
from openclaw_voice_call.errors import SignatureError
from openclaw_voice_call.interfaces.carrier import WebhookRequest

TOKEN = "MzRhYjEyY2RlZjU2Nzg5MDEyMzQ1Njc4OTBhYmNk"
URL = "https://voice.example.org/voice/webhook?b=2&a=1"
FORM = [("CallUUID", "abc"), ("Digits", "")]
NONCE = "92482316598412345678"
V3, V3_NONCE = "x-plivo-signature-v3", "x-plivo-signature-v3-nonce"
V2, V2_NONCE = "x-plivo-signature-v2", "x-plivo-signature-v2-nonce"
MA_V3, MA_V2 = "x-plivo-signature-ma-v3", "x-plivo-signature-ma-v2"


class Vector(TypedDict):
    id: str
    version: str
    auth_token: str
    method: str
    url: str
    content_type: str | None
    params: list[tuple[str, str]] | None
    raw_body: str | None
    headers: dict[str, str]
    valid: bool


class Ambiguous(TypedDict):
    url: str
    params: list[tuple[str, str]]
    auth_token: str
    nonce: str
    signature_node_go: str


class VectorFile(TypedDict):
    vectors: list[Vector]
    ambiguous: list[Ambiguous]


def _file() -> VectorFile:
    text = (Path(__file__).parent / "data" / "signatures.json").read_text("utf-8")
    loaded: VectorFile = json.loads(text)
    return loaded


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def verify(vector: Vector) -> dict[str, str]:
    """The parameters that are believed. Raises SignatureError."""
    url, method, token = vector["url"], vector["method"], vector["auth_token"]
    if method == "GET" and vector["params"]:
        # On the wire the parameters of a GET are in the query.
        url += ("&" if "?" in url else "?") + urlencode(
            [(name, value) for name, value in vector["params"]]
        )
    headers = lower(vector["headers"])
    if vector["content_type"] is not None:
        headers["content-type"] = vector["content_type"]
    target = "/" + url.split("://", 1)[1].partition("/")[2]
    body = (vector["raw_body"] or "").encode()
    request = WebhookRequest(method, target, headers, body, "192.0.2.1")
    return dict(verify_webhook(request, token, [url], LinkSeal(token)).params)


@pytest.mark.parametrize("vector", _file()["vectors"], ids=lambda vector: vector["id"])
@pytest.mark.scenario("F91", "F96", carrier="plivo")
def test_every_vector_gets_its_verdict(vector: Vector) -> None:
    if not vector["valid"]:
        with pytest.raises(SignatureError):
            verify(vector)
        return
    params = verify(vector)
    if vector["method"] == "POST" and vector["raw_body"]:
        assert params == dict(parse_qsl(vector["raw_body"], keep_blank_values=True))


def test_all_vectors_are_there() -> None:
    ids = {vector["id"] for vector in _file()["vectors"]}
    assert ids == {f"pl-{n:02}" for n in (*range(1, 15), *range(16, 24), *range(30, 34))}


def test_a_query_that_is_not_ascii_is_signed_decoded() -> None:
    [vector] = _file()["ambiguous"]
    headers = {V3: vector["signature_node_go"], V3_NONCE: vector["nonce"]}
    pairs = [(name, value) for name, value in vector["params"]]
    url, token = vector["url"], vector["auth_token"]
    assert matching_url(token, [url], pairs, headers) == Match(url, None)


# --- agreement with the official package

_HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z][a-z0-9]{1,5}){1,2}", fullmatch=True)
_PATHS = st.from_regex(r"(/[A-Za-z0-9._~%-]{1,6}){1,3}", fullmatch=True) | st.just("")
_QUERIES = st.from_regex(r"\?[A-Za-z0-9=&+'._-]{1,20}", fullmatch=True) | st.just("")
_PORTS = st.sampled_from(["", ":443", ":8443"])
_URLS = st.tuples(st.sampled_from(["https://", "http://"]), _HOSTS, _PORTS, _PATHS, _QUERIES).map(
    "".join
)
_NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=4)
_FORMS = st.lists(st.tuples(_NAMES, st.text(max_size=12)), max_size=8)
_NONCES = st.text(string.digits, min_size=1, max_size=24)


class Official(Protocol):
    """The official package's verifiers, which have no types of their own."""

    def validate_v3_signature(
        self,
        *,
        method: str,
        uri: str,
        nonce: str,
        auth_token: str,
        v3_signature: str,
        params: dict[str, list[str]],
    ) -> bool: ...

    def validate_signature(self, uri: str, nonce: str, signature: str, auth_token: str) -> bool: ...


_official = cast("Official", utils)


def official_v3(
    url: str, form: Sequence[tuple[str, str]] | None, nonce: str, signature: str
) -> bool:
    params: dict[str, list[str]] = {}
    for name, value in form or ():
        params.setdefault(name, []).append(value)
    return _official.validate_v3_signature(
        method="GET" if form is None else "POST",
        uri=url,
        nonce=nonce,
        auth_token=TOKEN,
        v3_signature=signature,
        params=params,
    )


@given(_URLS, _FORMS | st.none(), _NONCES)
@pytest.mark.scenario("F91", carrier="plivo")
def test_computes_what_the_official_package_computes(
    url: str, form: list[tuple[str, str]] | None, nonce: str
) -> None:
    assert official_v3(url, form, nonce, compute_v3(TOKEN, url, form, nonce))
    assert _official.validate_signature(url, nonce, compute_v2(TOKEN, url, nonce), TOKEN)


@given(
    url=_URLS,
    form=_FORMS | st.none(),
    signed_url=_URLS | st.none(),
    signed_form=_FORMS | st.none(),
    nonce=_NONCES,
    token=st.sampled_from([TOKEN, "another"]),
    others=st.lists(st.sampled_from(["AAAA", "", "x=y"]), max_size=3),
    place=st.integers(0, 3),
)
@pytest.mark.scenario("F91", "F96", carrier="plivo")
def test_accepts_what_the_official_package_accepts(
    url: str,
    form: list[tuple[str, str]] | None,
    signed_url: str | None,
    signed_form: list[tuple[str, str]] | None,
    nonce: str,
    token: str,
    others: list[str],
    place: int,
) -> None:
    signature = compute_v3(token, signed_url or url, signed_form or form, nonce)
    several = ",".join([*others[:place], signature, *others[place:]])
    ours = matching_url(TOKEN, [url], form, {V3: several, V3_NONCE: nonce})
    assert (ours is not None) is official_v3(url, form, nonce, several)


@given(_FORMS)
def test_a_form_survives_the_wire(form: list[tuple[str, str]]) -> None:
    """Blank values, plus signs, repeated names and every alphabet are decoded exactly."""
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        V3: compute_v3(TOKEN, URL, form, NONCE),
        V3_NONCE: NONCE,
    }
    request = WebhookRequest("POST", "/x", headers, urlencode(form).encode(), "192.0.2.1")
    assert verify_webhook(request, TOKEN, [URL], LinkSeal(TOKEN)).params == dict(form)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_never_fails_on_garbage(url: str, signature: str, nonce: str) -> None:
    for name, with_nonce in ((V3, V3_NONCE), (V2, V2_NONCE)):
        headers = {name: signature, with_nonce: nonce}
        assert matching_url(TOKEN, [url], FORM, headers) is None


# --- corners


def signed_v3(url: str = URL, token: str = TOKEN) -> str:
    return compute_v3(token, url, FORM, NONCE)


def signed_v2(url: str = URL, token: str = TOKEN) -> str:
    return compute_v2(token, url, NONCE)


@pytest.mark.parametrize(
    ("headers", "valid"),
    [
        ({V3: signed_v3()}, True),
        ({MA_V3: signed_v3()}, True),
        ({V3: "AAAA, " + signed_v3() + " ,"}, True),
        ({V3: signed_v3(token="old"), MA_V3: signed_v3()}, True),
        ({V3: signed_v3(), V2: "wrong", V2_NONCE: NONCE}, True),
        ({V2: signed_v2(), V2_NONCE: NONCE}, True),
        ({MA_V2: signed_v2(), V2_NONCE: NONCE}, True),
        ({V2: f"{signed_v2(token='old')},{signed_v2()}", V2_NONCE: NONCE}, True),
        # A part of a right signature, or one inside of something longer, is not right.
        ({V3: signed_v3()[:-1]}, False),
        ({V3: signed_v3() + "="}, False),
        ({V3: ""}, False),
        ({V3: ",,"}, False),
        ({V2: signed_v2()}, False),
        # No step back from a wrong version 3 to a right version 2.
        ({V3: "wrong", V2: signed_v2(), V2_NONCE: NONCE}, False),
        ({V3: "", V2: signed_v2(), V2_NONCE: NONCE}, False),
        ({MA_V3: signed_v3(token="old"), V2: signed_v2(), V2_NONCE: NONCE}, False),
        # One version's signature is none of the other.
        ({V3: signed_v2()}, False),
        ({V2: signed_v3(), V2_NONCE: NONCE}, False),
        ({}, False),
    ],
)
@pytest.mark.scenario("F96", carrier="plivo")
def test_which_headers_are_believed(headers: dict[str, str], valid: bool) -> None:
    found = matching_url(TOKEN, [URL], FORM, {V3_NONCE: NONCE, **headers})
    assert (found is not None) is valid
    if valid:
        by_v3 = V3 in headers or MA_V3 in headers
        assert found == Match(URL, None if by_v3 else NONCE)


@pytest.mark.parametrize("nonce", [None, "", "x" * (NONCE_LIMIT + 1)])
def test_without_a_nonce_of_sensible_length_nothing_is_believed(nonce: str | None) -> None:
    for name, with_nonce, signed in (
        (V3, V3_NONCE, compute_v3(TOKEN, URL, FORM, nonce or "")),
        (V2, V2_NONCE, compute_v2(TOKEN, URL, nonce or "")),
    ):
        headers = {name: signed} | ({} if nonce is None else {with_nonce: nonce})
        assert matching_url(TOKEN, [URL], FORM, headers) is None


@pytest.mark.parametrize(
    ("url", "form", "text"),
    [
        ("https://h/p", None, "https://h/p.7"),
        ("https://h/p", [], "https://h/p.7"),
        ("https://h/p?b=2&a=1", None, "https://h/p?a=1&b=2.7"),
        ("https://h/p", [("b", "2"), ("A", "1")], "https://h/p?A1b2.7"),
        ("https://h/p?q=x", [("b", "2"), ("b", "1"), ("b", "1")], "https://h/p?q=x.b1b1b2.7"),
        ("https://h:443/a%20b?c=%41+%2B#rc=2", [("x", "")], "https://h:443/a%20b?c=A +.x.7"),
        ("https://user:pw@h/p?q=a@b", None, "https://h/p?q=a@b.7"),
    ],
)
def test_what_version_3_signs(url: str, form: list[tuple[str, str]] | None, text: str) -> None:
    assert text_v3(url, form, "7").decode() == text


@pytest.mark.parametrize(
    "other",
    [
        "http://voice.example.org/voice/webhook?b=2&a=1",
        "https://voice.example.org:443/voice/webhook?b=2&a=1",
        "https://voice.example.org/voice/webhook/?b=2&a=1",
        "https://voice.example.org/voice/webhook?b=2&a=1&c=",
        "https://voice.example.org/voice/webhook?b=2",
        "https://evil.example.org/voice/webhook?b=2&a=1",
    ],
)
def test_another_url_is_another_url(other: str) -> None:
    headers = {V3: signed_v3(), V3_NONCE: NONCE}
    assert matching_url(TOKEN, [other], FORM, headers) is None


def test_the_url_that_was_signed_is_the_one_returned() -> None:
    urls = ["https://a.example/x", "https://b.example/x", "https://c.example/x"]
    headers = {V3: signed_v3(urls[1]), V3_NONCE: NONCE}
    assert matching_url(TOKEN, urls, FORM, headers) == Match(urls[1], None)
    headers = {V2: signed_v2(urls[2]), V2_NONCE: NONCE}
    assert matching_url(TOKEN, urls, FORM, headers) == Match(urls[2], NONCE)


def test_without_a_token_nothing_is_believed() -> None:
    headers = {V3: signed_v3(token=""), V3_NONCE: NONCE}
    assert matching_url("", [URL], FORM, headers) is None


def test_endless_queries_are_not_read() -> None:
    url = "https://h/p?" + "&".join(["a=1"] * (MAX_PARAMETERS + 1))
    request = WebhookRequest("GET", "/p", {V3: "x", V3_NONCE: NONCE}, b"", "192.0.2.1")
    with pytest.raises(SignatureError):
        verify_webhook(request, TOKEN, [url], LinkSeal(TOKEN))
