"""Whether the world can reach a host, judged by its name or address. Pure: nothing is resolved.

Address ranges: IANA's special-purpose registries; host names: RFC 6761, 6762, 8375, 9476 and
ICANN's `.internal`. IPv4 is read as resolvers do (inet_aton: `127.1`, `0x7f000001`, `2130706433`).
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Final
from urllib.parse import urlsplit


class Reach(StrEnum):
    """The value reads on after "is"."""

    PUBLIC = "public"
    LOOPBACK = "a loopback address, which is this machine only"
    PRIVATE = "a private address, which only this network reaches"
    LINK_LOCAL = "a link-local address, which only this cable or radio reaches"
    CGNAT = "a shared address (100.64.0.0/10: carrier-grade NAT, Tailscale), which only it reaches"
    ULA = "a unique local IPv6 address, which only this network reaches"
    LOCAL_NAME = "a name that only this machine or network knows"
    RESERVED = "an address that is no host of the internet"
    MALFORMED = "no host name or address"


_V4: Final = tuple(
    (IPv4Network(network), reach)
    for network, reach in (
        ("0.0.0.0/8", Reach.RESERVED),
        ("10.0.0.0/8", Reach.PRIVATE),
        ("100.64.0.0/10", Reach.CGNAT),
        ("127.0.0.0/8", Reach.LOOPBACK),
        ("169.254.0.0/16", Reach.LINK_LOCAL),
        ("172.16.0.0/12", Reach.PRIVATE),
        ("192.0.0.0/24", Reach.RESERVED),
        ("192.0.2.0/24", Reach.RESERVED),
        ("192.88.99.0/24", Reach.RESERVED),
        ("192.168.0.0/16", Reach.PRIVATE),
        ("198.18.0.0/15", Reach.RESERVED),
        ("198.51.100.0/24", Reach.RESERVED),
        ("203.0.113.0/24", Reach.RESERVED),
        ("224.0.0.0/3", Reach.RESERVED),
    )
)
_V6: Final = tuple(
    (IPv6Network(network), reach)
    for network, reach in (
        ("::1/128", Reach.LOOPBACK),
        ("fc00::/7", Reach.ULA),
        ("fe80::/10", Reach.LINK_LOCAL),
        ("fec0::/10", Reach.PRIVATE),
        ("2001::/23", Reach.RESERVED),
        ("2001:db8::/32", Reach.RESERVED),
        ("3fff::/20", Reach.RESERVED),
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_WITH_V4_AT_THE_END: Final = tuple(
    ip_network(prefix) for prefix in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
"""IPv4-compatible, mapped and translated addresses, and NAT64 (RFC 6052)."""
_LOCAL_ZONES: Final = (
    *("alt", "corp", "home", "home.arpa", "internal", "intranet", "invalid", "lan"),
    *("local", "localdomain", "localhost", "onion", "private", "test"),
)
_MAX_NAME: Final = 253


def reach_of_url(url: str) -> Reach:
    """`reach_of` the host of an http(s) or ws(s) URL."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return Reach.MALFORMED
    return reach_of(host or "")


def reach_of(host: str) -> Reach:
    """Who reaches this host. An IPv6 address may stand in brackets and have a zone."""
    name = host.strip().lower()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if ":" in name:
        return _of_v6(name)
    name = name.removesuffix(".")
    if not name or len(name) > _MAX_NAME or any(not label for label in name.split(".")):
        return Reach.MALFORMED
    if _is_number(name.rpartition(".")[2]):
        address = _v4(name)
        return Reach.MALFORMED if address is None else _of_v4(address)
    if any(c.isspace() or c in "/@?#%\\" for c in name):
        return Reach.MALFORMED
    if "." not in name or name.endswith(tuple(f".{zone}" for zone in _LOCAL_ZONES)):
        return Reach.LOCAL_NAME
    return Reach.PUBLIC


def _of_v4(address: IPv4Address) -> Reach:
    return next((reach for network, reach in _V4 if address in network), Reach.PUBLIC)


def _of_v6(text: str) -> Reach:
    try:
        address = IPv6Address(text.partition("%")[0])
    except AddressValueError:
        return Reach.MALFORMED
    for network, reach in _V6:
        if address in network:
            return reach
    if any(address in prefix for prefix in _WITH_V4_AT_THE_END):
        return _of_v4(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None:
        inner = _of_v4(address.sixtofour)
        # The relays of 6to4 were given up (RFC 7526), so it leads nowhere even with a good address.
        return Reach.RESERVED if inner is Reach.PUBLIC else inner
    return Reach.PUBLIC if address in _GLOBAL_V6 else Reach.RESERVED


def _is_number(label: str) -> bool:
    return label.isdecimal() or (label.startswith("0x") and _number(label) is not None)


def _number(part: str) -> int | None:
    """A part of an address: decimal, octal after `0`, hexadecimal after `0x`."""
    digits, base = part, 10
    if part.startswith("0x"):
        digits, base = part[2:] or "0", 16
    elif len(part) > 1 and part.startswith("0"):
        digits, base = part[1:], 8
    if not (digits.isascii() and digits.isalnum()) or len(digits) > 16:
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


def _v4(text: str) -> IPv4Address | None:
    """One to four numbers; the last one fills the bytes that are left."""
    numbers = [_number(part) for part in text.split(".")]
    if len(numbers) > 4:
        return None
    value = 0
    for index, number in enumerate(numbers):
        last = index == len(numbers) - 1
        room = 8 * (4 - index) if last else 8
        if number is None or number >= 1 << room:
            return None
        value = (value << room) | number
    return IPv4Address(value)
