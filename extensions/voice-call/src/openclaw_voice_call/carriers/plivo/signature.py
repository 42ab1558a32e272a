"""Plivo's webhook signatures, versions 3 and 2, and the URL that one was made for.

Version 3 signs the URL, its query and the form; version 2 signs the URL without its query, and no
parameter at all. Both add a nonce, which is no time stamp. A signature is the base64 of an
HMAC-SHA256; a header may hold several, separated by commas (one for each auth token of the
account). `Ma` headers are signed with the main account's token, the others with the token of the
account or subaccount that owns the call. Source: Plivo's "Validating requests", and the validators
of its official Python, Node and Go packages.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from openclaw_voice_call.carriers.forms import Pairs, decoded_pairs, wire_bytes

V3_HEADERS: Final = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
V3_NONCE: Final = "x-plivo-signature-v3-nonce"
V2_HEADERS: Final = ("x-plivo-signature-v2", "x-plivo-signature-ma-v2")
V2_NONCE: Final = "x-plivo-signature-v2-nonce"
NONCE_LIMIT: Final = 128
"""Characters; Plivo's nonces have about 20."""


class Match(NamedTuple):
    """The URL that was signed. `nonce` is None when the query and the form were signed too."""

    url: str
    nonce: str | None


def matching_url(
    token: str, urls: Sequence[str], pairs: Pairs | None, headers: Mapping[str, str]
) -> Match | None:
    """The first of `urls` that a signature in `headers` (lower-case names) was made for, else None.

    `pairs` are the decoded form parameters of a POST, None for a GET. A request with any header of
    version 3 is judged by that alone: a right signature of version 2 beside a wrong one of version
    3 would be a step back that anybody could choose. Without token, nonce or signature nothing
    matches. Raises ValueError for a query of more than `forms.MAX_PARAMETERS`.
    """
    if not token:
        return None
    key = token.encode()
    if any(name in headers for name in V3_HEADERS):
        presented, nonce = _signatures(headers, V3_HEADERS), headers.get(V3_NONCE, "")
        if not presented or not 0 < len(nonce) <= NONCE_LIMIT:
            return None
        for url in urls:
            if _is_one_of(_signed(key, text_v3(url, pairs, nonce)), presented):
                return Match(url, None)
        return None
    presented, nonce = _signatures(headers, V2_HEADERS), headers.get(V2_NONCE, "")
    if not presented or not 0 < len(nonce) <= NONCE_LIMIT:
        return None
    for url in urls:
        if _is_one_of(_signed(key, text_v2(url, nonce)), presented):
            return Match(url, nonce)
    return None


def compute_v3(token: str, url: str, pairs: Pairs | None, nonce: str) -> str:
    return _signed(token.encode(), text_v3(url, pairs, nonce)).decode()


def compute_v2(token: str, url: str, nonce: str) -> str:
    return _signed(token.encode(), text_v2(url, nonce)).decode()


def text_v3(url: str, pairs: Pairs | None, nonce: str) -> bytes:
    """What version 3 signs. The path is taken literally, queries and forms decoded and sorted.

    A form is set off by a `?` even where there is no query, and by a dot where there is one; no
    parameters are like no form. Raises ValueError for a query of more than `forms.MAX_PARAMETERS`.
    """
    base, query = _base(url), decoded_pairs(url.partition("#")[0].partition("?")[2])
    # Sorted pairs are the names in code point order, each with all of its values, sorted.
    asked = "&".join(f"{name}={value}" for name, value in sorted(query))
    if pairs:
        form = "".join(name + value for name, value in sorted(pairs))
        text = f"{base}?{asked}{'.' if asked else ''}{form}"
    else:
        text = f"{base}?{asked}" if asked else base
    return wire_bytes(f"{text}.{nonce}")


def text_v2(url: str, nonce: str) -> bytes:
    """What version 2 signs: the URL up to its query, and the nonce."""
    return wire_bytes(_base(url) + nonce)


def _base(url: str) -> str:
    """Scheme, host, port and path; credentials in a URL are not sent, so they are not signed."""
    base = url.partition("#")[0].partition("?")[0]
    scheme, separator, rest = base.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def _signatures(headers: Mapping[str, str], names: Iterable[str]) -> Sequence[bytes]:
    values = ",".join(headers.get(name, "") for name in names)
    return [wire_bytes(each) for value in values.split(",") if (each := value.strip())]


def _is_one_of(expected: bytes, presented: Sequence[bytes]) -> bool:
    # All are looked at, so that the time does not tell which one was right.
    return sum(hmac.compare_digest(expected, each) for each in presented) > 0


def _signed(key: bytes, text: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, text, hashlib.sha256))
