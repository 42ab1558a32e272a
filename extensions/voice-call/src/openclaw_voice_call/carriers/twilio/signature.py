"""Twilio's webhook signature, and the few URLs that one request may have been signed for.

The signed text is the URL as requested, query verbatim, followed for a form POST by every decoded
parameter: names in code point order, name and value with nothing between, the values of a repeated
name de-duplicated and sorted. The signature is the base64 of its HMAC. A body that is no form is
covered by its SHA-256 in the query instead. Source: Twilio's security guide, and the request
validators of its official packages.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlsplit

from openclaw_voice_call.carriers.forms import wire_bytes

SIGNATURE_HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"

HMAC_SHA1 = "HMAC_SHA1"
HMAC_SHA256 = "HMAC_SHA256"
_DIGESTS = {HMAC_SHA1: "sha1", HMAC_SHA256: "sha256"}

_DEFAULT_PORTS = {"https": "443", "wss": "443"}
_BODY_HASH = "bodySHA256"


def matching_url(
    token: str,
    urls: Sequence[str],
    pairs: Iterable[tuple[str, str]],
    signature: str | None,
    settings: str | None = None,
) -> str | None:
    """The first of `urls` that `signature` was made for, in any of its port variants, else None.

    `pairs` are the decoded form parameters (none for a GET or a body that is no form). `settings`
    is the value of the settings header, which names the algorithm; the secret of a webhook that is
    signed with a shared key is that key's. Without a token or a signature nothing matches.
    """
    digest = _DIGESTS.get(named_algorithm(settings))
    if not token or not signature or digest is None:
        return None
    key, parameters = token.encode(), wire_bytes(_joined(pairs))
    presented = wire_bytes(signature)
    for url in urls:
        for variant in port_variants(url):
            expected = _sign(key, wire_bytes(variant) + parameters, digest)
            if hmac.compare_digest(expected, presented):
                return url
    return None


def compute_signature(
    token: str, url: str, pairs: Iterable[tuple[str, str]], algorithm: str = HMAC_SHA1
) -> str:
    """Sign exactly `url` as Twilio does. Raises KeyError for an unknown algorithm."""
    text = wire_bytes(url) + wire_bytes(_joined(pairs))
    return _sign(token.encode(), text, _DIGESTS[algorithm]).decode()


def named_algorithm(settings: str | None) -> str:
    """The algorithm that the settings header names, in capitals; HMAC-SHA1 if it names none.

    The header reads `key=webhooks_sharedkey_...,algorithm=HMAC_SHA256`, blanks allowed.
    """
    for part in (settings or "").split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip().upper()
    return HMAC_SHA1


def body_hash_holds(url: str, body: bytes) -> bool:
    """True if the query of `url` carries the hash of this `body`, so that the signature covers it.

    A body without a hash in the URL is covered by nothing and does not hold.
    """
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    stated = next((value for name, value in query if name == _BODY_HASH), None)
    if stated is None:
        return False
    return hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), wire_bytes(stated))


def port_variants(url: str) -> tuple[str, ...]:
    """`url` with a port and without any, because Twilio's back ends differ in what they sign.

    Only the port varies: the explicit one, or the scheme's default where none is given. All else
    stays as it is, byte by byte; credentials in the URL may have been dropped with the port.
    """
    url = url.partition("#")[0]
    scheme, separator, rest = url.partition("://")
    if not separator:
        return (url,)
    end = next((index for index, char in enumerate(rest) if char in "/?"), len(rest))
    authority, tail = rest[:end], rest[end:]
    userinfo, at, hostport = authority.rpartition("@")
    host, port = _split_port(hostport)
    with_port = f"{host}:{port or _DEFAULT_PORTS.get(scheme.lower(), '80')}"
    users = (userinfo + at, "") if at else ("",)
    return tuple(f"{scheme}://{user}{place}{tail}" for user in users for place in (host, with_port))


def _split_port(hostport: str) -> tuple[str, str]:
    """Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; the port may be empty."""
    host, colon, port = hostport.rpartition(":")
    if colon and not port.strip("0123456789") and (":" not in host or host.endswith("]")):
        return host, port
    return hostport, ""


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    # A set of pairs, sorted, is the names in code point order, each with its values once, sorted.
    return "".join(name + value for name, value in sorted(set(pairs)))


def _sign(key: bytes, text: bytes, digest: str) -> bytes:
    return base64.b64encode(hmac.digest(key, text, digest))
