"""Who is local, who is a web page, and whom we believe about it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from openclaw.rpc.peer import Peer, counts_failures, identify, is_loopback, origin_allowed

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.1/32")]


def seen(remote: str, **headers: str) -> Peer:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return identify(remote, named, PROXIES)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("LocalHost", True),
        ("192.0.2.1", False),
        ("localhost.attacker.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["localhost:18789", "127.0.0.1", "[::1]:18789", "127.0.0.1:1"])
def test_local_needs_address_and_name_of_this_machine(host: str) -> None:
    assert seen("127.0.0.1", Host=host).local
    assert not seen("192.0.2.7", Host=host).local
    assert not seen("127.0.0.1", Host="attacker.example:18789").local


@pytest.mark.parametrize(
    "header", ["Forwarded", "X_Forwarded_For", "x_forwarded_host", "X_Real_IP", "X_Forwarded_Proto"]
)
def test_forwarding_headers_of_strangers_are_forged(header: str) -> None:
    peer = seen("192.0.2.7", Host="localhost", **{header: "127.0.0.1"})
    assert peer.forged
    assert not peer.local


def test_a_trusted_proxy_names_the_client_and_makes_it_remote() -> None:
    peer = seen("127.0.0.1", Host="localhost", X_Forwarded_For="127.0.0.1, 203.0.113.5, 10.1.2.3")
    assert (peer.address, peer.local, peer.forged) == ("203.0.113.5", False, False)
    assert seen("10.0.0.1", Host="x", X_Forwarded_For="").address == "10.0.0.1"


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "localhost:18789", True),
        ("http://localhost:18789", "localhost:18789", True),
        ("http://127.0.0.1:18789", "127.0.0.1:18789", True),
        ("http://[::1]:18789", "[::1]:18789", True),
        ("http://localhost:3000", "localhost:18789", False),
        ("https://evil.example", "127.0.0.1:18789", False),
        # A name that an attacker lets resolve to us.
        ("http://evil.example:18789", "evil.example:18789", False),
        ("null", "127.0.0.1:18789", False),
        ("https://console.example.com", "127.0.0.1:18789", True),
    ],
)
def test_origins(origin: str | None, host: str, allowed: bool) -> None:
    peer = Peer(address="127.0.0.1", local=True, origin=origin, host=host)
    assert origin_allowed(peer, ["https://console.example.com"]) is allowed


def test_only_programs_of_this_machine_are_not_counted() -> None:
    assert not counts_failures(Peer(address="127.0.0.1", local=True))
    assert counts_failures(Peer(address="127.0.0.1", local=True, origin="http://localhost"))
    assert counts_failures(Peer(address="192.0.2.1", local=False))


@given(st.text(), st.text(), st.none() | st.text(), st.none() | st.text())
def test_no_header_breaks_it(
    remote: str, host: str, forwarded: str | None, origin: str | None
) -> None:
    headers = {"Host": host}
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    if origin is not None:
        headers["Origin"] = origin
    peer = identify(remote, headers, PROXIES)
    assert origin_allowed(peer, []) in (True, False)
    assert not (peer.local and forwarded is not None)
