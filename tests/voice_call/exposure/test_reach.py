"""Who reaches a host, in all the ways in which a host can be written."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.exposure.reach import Reach, reach_of, reach_of_url

CASES = {
    Reach.PUBLIC: (
        *("voice.example.com", "VOICE.EXAMPLE.COM.", "8.8.8.8", "8.8.8.8.", "134744072"),
        *("0x08080808", "010.8.8.8", "2606:4700::1111", "[2606:4700::1111]", "::ffff:8.8.8.8"),
        *("64:ff9b::808:808", "1e100.net", "0x.example.com", "9.example"),
        *("xn--bcher-kva.example.com", "localhost.example.com", "internal.example.com"),
    ),
    Reach.LOOPBACK: (
        *("127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0x7F.1", "017700000001"),
        *("0177.0.0.1", "127.255.255.254", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"),
        *("::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:0:127.0.0.1"),
    ),
    Reach.PRIVATE: (
        *("10.0.0.1", "10.1", "172.16.0.1", "172.31.255.255", "192.168.1.9", "0xc0a80109"),
        *("3232235777", "::ffff:10.0.0.1", "fec0::1"),
    ),
    Reach.LINK_LOCAL: ("169.254.169.254", "fe80::1", "fe80::1%eth0", "[fe80::1%25eth0]"),
    Reach.CGNAT: ("100.64.0.1", "100.127.255.255", "100.101.102.103", "::ffff:100.64.0.1"),
    Reach.ULA: ("fc00::1", "fd12:3456::1", "fd7a:115c:a1e0::1"),
    Reach.LOCAL_NAME: (
        *("localhost", "LOCALHOST.", "voice.localhost", "box", "box.local", "box.local."),
        *("gateway.internal", "nas.lan", "router.home.arpa", "pbx.corp"),
    ),
    Reach.RESERVED: (
        *("0.0.0.0", "0", "::", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1"),
        *(
            "198.51.100.7",
            "203.0.113.9",
            "198.18.0.1",
            "2002:808:808::1",
            "2001:db8::1",
            "ff02::1",
            "4000::1",
        ),
    ),
    Reach.MALFORMED: (
        *("", ".", "a..b", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "4294967296", "0x1ffffffff"),
        *("08.1.1.1", "a.b.1", "::g", "1::2::3", "x" * 254, "a b.example"),
    ),
}


@pytest.mark.scenario("F80")
@pytest.mark.parametrize(
    ("host", "reach"), [(host, reach) for reach, hosts in CASES.items() for host in hosts]
)
def test_who_reaches_a_host(host: str, reach: Reach) -> None:
    assert reach_of(host) is reach


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("https://voice.example.com:8443/x", Reach.PUBLIC),
        ("https://[::1]:8443/x", Reach.LOOPBACK),
        ("wss://127.1/x", Reach.LOOPBACK),
        ("https://[::1/x", Reach.MALFORMED),
        ("https:///x", Reach.MALFORMED),
    ],
)
def test_who_reaches_a_url(url: str, reach: Reach) -> None:
    assert reach_of_url(url) is reach


@given(st.integers(0, 2**32 - 1))
def test_every_spelling_of_an_ipv4_address_is_the_same_host(number: int) -> None:
    address = IPv4Address(number)
    a, b, c, d = address.packed
    spellings = (
        *(str(address), f"{address}.", str(number), hex(number), f"0{number:o}"),
        *(f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{number & 0xFFFF}", f"0x{a:x}.0{b:o}.{c}.{d}"),
        *(f"::ffff:{address}", f"[::FFFF:{a:x}{b:02x}:{c:x}{d:02x}]", f"64:ff9b::{address}"),
    )
    assert {reach_of(spelling) for spelling in spellings} == {reach_of(str(address))}


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert reach_of(str(address)) is not Reach.PUBLIC


@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    assert isinstance(reach_of(text), Reach)
    assert isinstance(reach_of_url(f"https://{text}/x"), Reach)


@given(st.from_regex(r"[0-9a-fx.]{1,20}", fullmatch=True))
def test_what_looks_like_a_number_is_never_a_public_name(text: str) -> None:
    """A resolver would take it for an address, so it must be judged as one."""
    labels = text.removesuffix(".").split(".")
    if labels[-1].isdecimal() and reach_of(text) is Reach.PUBLIC:
        assert len(labels) <= 4
        assert all(label.startswith("0x") or label.isdecimal() for label in labels)
