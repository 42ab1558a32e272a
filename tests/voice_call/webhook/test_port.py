"""The webhook port outlives the servers that take turns at it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from openclaw_voice_call.errors import NotReady
from openclaw_voice_call.webhook.pipeline import WebhookPipeline
from openclaw_voice_call.webhook.port import WebhookPort
from openclaw_voice_call.webhook.public_url import UrlPolicy
from openclaw_voice_call.webhook.server import WebhookServer
from tests.voice_call.webhook.fakes import Desk, HmacCarrier

WAIT_S = 5.0
UNSIGNED = b"POST /voice/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def server(port: WebhookPort) -> WebhookServer:
    pipeline = WebhookPipeline(HmacCarrier(), Desk(), UrlPolicy(serve_path="/voice/webhook"))
    return WebhookServer(pipeline, path="/voice/webhook", port=0, kept=port)


async def ask(number: int) -> bytes:
    """The status line that an unsigned webhook gets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    writer.write(UNSIGNED)
    try:
        return await asyncio.wait_for(reader.readline(), WAIT_S)
    finally:
        writer.close()


async def test_whoever_comes_between_two_servers_is_answered_by_the_second() -> None:
    port = WebhookPort()
    first = server(port)
    await first.start()
    number = first.port
    assert b" 401 " in await ask(number)
    await first.close_port()
    async with asyncio.TaskGroup() as group:
        between = group.create_task(ask(number))
        await first.stop()
        assert not between.done()
        second = server(port)
        await second.start()
        assert second.port == number
    assert b" 401 " in between.result()
    await second.stop()
    port.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(number)


async def test_what_has_connected_is_answered_before_the_port_is_left() -> None:
    port = WebhookPort()
    it = server(port)
    await it.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    # An answer on another connection tells that the server knows of this one.
    await ask(it.port)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(it.close_port(grace_s=WAIT_S))
        await asyncio.sleep(0)
        assert not leaving.done()
        writer.write(UNSIGNED)
        assert b" 401 " in await asyncio.wait_for(reader.readline(), WAIT_S)
    writer.close()
    await it.open_port()
    assert b" 401 " in await ask(it.port)
    await it.stop()
    port.close()


async def test_silence_is_not_waited_for_longer_than_allowed() -> None:
    port = WebhookPort()
    it = server(port)
    await it.start()
    _, writer = await asyncio.open_connection("127.0.0.1", it.port)
    await ask(it.port)
    await asyncio.wait_for(it.close_port(grace_s=0.05), WAIT_S)
    await it.stop()
    writer.close()
    port.close()


async def test_another_address_gives_the_old_one_back() -> None:
    port = WebhookPort()
    (first,) = await port.open("127.0.0.1", 0)
    (again,) = await port.open("127.0.0.1", 0)
    address = first.getsockname()
    assert again.getsockname() == address
    first.close()
    again.close()
    (other,) = await port.open("127.0.0.2", 0)
    assert other.getsockname()[0] == "127.0.0.2"
    with socket.create_server(address[:2]):
        pass
    other.close()
    port.close()


async def test_a_taken_address_is_told_with_a_remedy_and_may_be_tried_again() -> None:
    port = WebhookPort()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        number = holder.getsockname()[1]
        with pytest.raises(NotReady, match=f"127.0.0.1:{number}") as refused:
            await port.open("127.0.0.1", number)
        assert "serve.port" in str(refused.value.remedy)
    (mine,) = await port.open("127.0.0.1", number)
    mine.close()
    port.close()
