"""How the server starts and how it ends."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from openclaw.errors import PortTaken
from openclaw.rpc.handshake import AuthPolicy
from tests.host.rpc.support import (
    PATIENCE_S,
    Gate,
    a_server,
    connected,
    limits,
    router,
    serving,
)


async def test_both_loopback_addresses_share_the_port() -> None:
    server = a_server()
    listener = await server.start("localhost", 0)
    port = listener.port
    assert listener.addresses == [f"127.0.0.1:{port}", f"[::1]:{port}"]
    for address in listener.addresses:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{address}/healthz") as response,
        ):
            assert response.status == 200
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_taken_on_the_second_address_frees_the_first() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken):
            await a_server().start("127.0.0.1", port)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match="assign"):
        await a_server().start("192.0.2.1", 0)


async def test_port_taken() -> None:
    async with serving() as gateway:
        with pytest.raises(PortTaken) as taken:
            await a_server().start("127.0.0.1", gateway.port)
        assert taken.value.port == gateway.port
        assert str(gateway.port) in str(taken.value)


async def test_shutdown_says_goodbye_then_closes() -> None:
    gate = Gate()
    async with serving(router(wait=gate.method)) as gateway, connected(gateway) as wire:
        request = await wire.request("wait")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE_S)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(gateway.server.stop("gateway restarting", 1500))
            gate.open.set()
            assert (await wire.answer(request))["payload"] == "done"
            farewell = await wire.event("shutdown")
            assert farewell["payload"] == {
                "reason": "gateway restarting",
                "restartExpectedMs": 1500,
            }
            assert await wire.closed() == (1012, "service restart")


async def test_shutdown_does_not_wait_for_ever() -> None:
    gate = Gate()
    async with (
        serving(router(wait=gate.method), bounds=limits(drain_s=0.05)) as gateway,
        connected(gateway) as wire,
    ):
        await wire.request("wait")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE_S)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(gateway.server.stop())
            farewell = await wire.event("shutdown")
            payload = {"reason": "gateway stopping", "restartExpectedMs": None}
            assert farewell["payload"] == payload
            assert (await wire.closed())[0] == 1012
        assert not gate.finished.is_set()


async def test_open_door_without_a_lock_is_refused() -> None:
    server = a_server(auth=AuthPolicy(mode="none"))
    with pytest.raises(ValueError, match="Refusing to bind gateway to"):
        await server.start("0.0.0.0", 0)
