"""Who is at the other end of a connection, and whether a browser sent it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

FORWARDING_HEADERS = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The client's side of a connection.

    `local`: on this machine, addressed us as this machine, and nothing forwarded it.
    `forged`: carries forwarding headers although it is no trusted proxy; to be refused.
    """

    address: str
    local: bool
    forged: bool = False
    origin: str | None = None
    host: str = ""


def identify(
    remote: str | None, headers: Mapping[str, str], trusted_proxies: Sequence[Network] = ()
) -> Peer:
    """The peer of a request from the socket address `remote`. `headers` must ignore case."""
    address = remote or "unknown"
    host = headers.get("Host", "")
    forwarded = any(name in headers for name in FORWARDING_HEADERS)
    if not forwarded:
        return Peer(
            address=address,
            local=is_loopback(address) and is_loopback(host_name(host)),
            origin=headers.get("Origin"),
            host=host,
        )
    trusted = _is_in(address, trusted_proxies)
    if trusted:
        address = _client_behind(headers.get("X-Forwarded-For", ""), trusted_proxies) or address
    return Peer(
        address=address, local=False, forged=not trusted, origin=headers.get("Origin"), host=host
    )


def origin_allowed(peer: Peer, allowed: Sequence[str]) -> bool:
    """Whether the web page that opened this connection may.

    Programs send no Origin. A page is welcome if its origin is listed, or if it came from this very
    host and port and that host is an address: a name may be an attacker's that resolves to us.
    """
    if peer.origin is None or peer.origin in allowed:
        return True
    try:
        authority = urlsplit(peer.origin).netloc.lower()
    except ValueError:  # such as an unclosed bracket
        return False
    return authority == peer.host.lower() and _is_address_or_localhost(host_name(peer.host))


def counts_failures(peer: Peer) -> bool:
    """Wrong secrets from this machine's own programs are typing errors; all others are counted,
    those of web pages too, for any page can reach a loopback port."""
    return not peer.local or peer.origin is not None


def is_loopback(host: str) -> bool:
    """True for `localhost` and for loopback addresses, mapped IPv4 included."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def host_name(authority: str) -> str:
    """The host of a `Host` header: without port and brackets."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.rpartition(":")[0] if authority.count(":") == 1 else authority


def _is_address_or_localhost(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # On a socket for both families, an IPv4 peer is shown as an IPv6 address.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)


def _client_behind(forwarded_for: str, trusted: Sequence[Network]) -> str | None:
    """The rightmost address that is not one of our proxies: what stands left of it is hearsay."""
    for hop in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not _is_in(hop, trusted):
            return hop
    return None
