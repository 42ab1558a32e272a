"""Which URL a carrier may have signed. Pure.

A carrier signs the public URL; behind a tunnel or a proxy the request shows another one. The
owner's `publicUrl` is the answer that no client can influence. Forwarding headers are believed only
from those who are trusted to set them: who chooses the host chooses which signature fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from openclaw_voice_call.interfaces.carrier import WebhookRequest

Address: TypeAlias = IPv4Address | IPv6Address

NGROK_DOMAINS = (".ngrok-free.app", ".ngrok.app", ".ngrok.io", ".ngrok.dev")
MAX_CANDIDATES = 6
MAX_HOST_CHARS = 255
DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_FORWARDED_PAIR = re.compile(r"""\s*([A-Za-z-]+)=(?:"([^"\\]*)"|([^\s;,"]*))\s*""")


class Host(NamedTuple):
    """A host as a header named it; an IPv6 address keeps its brackets."""

    name: str
    port: int | None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


class UrlPolicy:
    """What the owner said about public URLs, read once.

    `public_url` is the address that the carrier was given. `serve_path` is the local webhook path,
    used when `public_url` has none. `allowed_hosts`, when given, are the only hosts that a header
    may name. Forwarding headers are used when they come from one of `trusted_proxies` (addresses
    or networks); without such a list, when `trust_forwarding_headers`; and, for hosts of ngrok
    only, from a loopback peer when `ngrok_bypass`. No option skips the verification (A3).

    Raises ValueError when a proxy is no address or network, or `public_url` no http(s) URL.
    """

    def __init__(
        self,
        *,
        serve_path: str,
        public_url: str | None = None,
        allowed_hosts: Sequence[str] = (),
        trust_forwarding_headers: bool = False,
        trusted_proxies: Sequence[str] = (),
        ngrok_bypass: bool = False,
    ) -> None:
        self.public_base = None if public_url is None else _base(public_url, serve_path)
        self.allowed_hosts = frozenset(host.strip().lower() for host in allowed_hosts)
        self.ngrok_bypass = ngrok_bypass
        self._trust_everyone = trust_forwarding_headers and not trusted_proxies
        self._proxies = [_network(proxy) for proxy in trusted_proxies]
        self._address = lru_cache(maxsize=256)(_address)

    @property
    def notices(self) -> Sequence[str]:
        """What the owner should hear at start."""
        if self._trust_everyone and not self.allowed_hosts:
            warning = (
                "webhookSecurity.trustForwardingHeaders is on without trustedProxyIPs or "
                "allowedHosts: whoever reaches the webhook port can choose the host that "
                "signatures are checked for. Set publicUrl, or list the proxies."
            )
            return (warning,)
        return ()

    def trusts(self, remote: str) -> bool:
        """True if forwarding headers of this peer are to be believed."""
        if self._trust_everyone:
            return True
        address = self._address(remote) if self._proxies else None
        return address is not None and any(address in proxy for proxy in self._proxies)

    def is_ngrok_agent(self, remote: str) -> bool:
        """True for the peer that the ngrok option is about."""
        address = self._address(remote) if self.ngrok_bypass else None
        return address is not None and address.is_loopback

    def allows(self, host: Host) -> bool:
        """False if the owner listed hosts and this is none of them."""
        if not self.allowed_hosts:
            return True
        return host.name.lower() in self.allowed_hosts or str(host).lower() in self.allowed_hosts


def candidates(request: WebhookRequest, policy: UrlPolicy) -> Sequence[str]:
    """The URLs that the carrier may have signed, likeliest first, each once; perhaps none."""
    path, mark, query = request.target.partition("?")
    urls: list[str] = []
    if policy.public_base is not None:
        urls.append(f"{policy.public_base}{mark}{query}")
    if policy.trusts(request.remote):
        origins = list(_forwarded_origins(request.headers))
    elif policy.is_ngrok_agent(request.remote):
        origins = [each for each in _forwarded_origins(request.headers) if _of_ngrok(each[1])]
    else:
        origins = []
    if not origins:
        if urls:
            return urls
        host = parse_host(request.header("host"))
        origins = [] if host is None else [("http", host)]
    urls += [
        f"{scheme}://{host}{path}{mark}{query}" for scheme, host in origins if policy.allows(host)
    ]
    return list(dict.fromkeys(urls))[:MAX_CANDIDATES]


def parse_host(value: str | None) -> Host | None:
    """A Host header, or None for whatever is not one (F93)."""
    if value is None or len(value) > MAX_HOST_CHARS:
        return None
    found = _HOST.fullmatch(value.strip())
    if found is None:
        return None
    port = None if found[2] is None else int(found[2])
    if port is not None and not 0 < port < 65536:
        return None
    return Host(found[1], port)


def _forwarded_origins(headers: Mapping[str, str]) -> Iterator[tuple[str, Host]]:
    """Scheme and host as told by the nearest proxy: the last entry of each list.

    Earlier entries may have been sent by anybody. A proxy that names no host passes `Host` on.
    """
    own = headers.get("host")
    if "x-forwarded-proto" in headers or "x-forwarded-host" in headers:
        scheme = _last(headers.get("x-forwarded-proto", "http")).lower()
        host = parse_host(_last(headers.get("x-forwarded-host", own or "")))
        if scheme in DEFAULT_PORTS and host is not None:
            yield scheme, host
            port = _port(_last(headers.get("x-forwarded-port", "")))
            if host.port is None and port not in (None, DEFAULT_PORTS[scheme]):
                yield scheme, Host(host.name, port)
    if "forwarded" in headers:
        pairs = _forwarded_pairs(headers["forwarded"])
        scheme = pairs.get("proto", "http").lower()
        host = parse_host(pairs.get("host", own or ""))
        if scheme in DEFAULT_PORTS and host is not None:
            yield scheme, host


def _forwarded_pairs(header: str) -> Mapping[str, str]:
    """The pairs of the last element of a `Forwarded` header (RFC 7239); none if malformed."""
    pairs: dict[str, str] = {}
    position = 0
    while position < len(header):
        found = _FORWARDED_PAIR.match(header, position)
        if found is None:
            return {}
        name = found[1].lower()
        if name in pairs:
            return {}
        pairs[name] = found[3] if found[2] is None else found[2]
        position = found.end()
        if position < len(header):
            if header[position] == ",":
                pairs = {}
            elif header[position] != ";":
                return {}
            position += 1
    return pairs


def _last(values: str) -> str:
    return values.rpartition(",")[2].strip()


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    port = int(text)
    return port if 0 < port < 65536 else None


def _of_ngrok(host: Host) -> bool:
    return host.name.lower().endswith(NGROK_DOMAINS)


def _base(public_url: str, serve_path: str) -> str:
    """Scheme, host and path as the owner wrote them."""
    parts = urlsplit(public_url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"publicUrl is no http(s) URL: {public_url}")
    return f"{parts.scheme}://{parts.netloc}{parts.path or serve_path}"


def _network(proxy: str) -> IPv4Network | IPv6Network:
    network = ip_network(proxy.strip(), strict=False)
    # `::ffff:10.0.0.0/104` and `10.0.0.0/8` are the same addresses.
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _address(remote: str) -> Address | None:
    """The peer's address; an IPv4 one that came in on an IPv6 socket as itself."""
    try:
        address = ip_address(remote)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
