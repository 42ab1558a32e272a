"""The door for media streams, over real sockets: who is let in, and how the stream then goes."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_voice_call.errors import JournalRefused, StreamRefused
from openclaw_voice_call.webhook.stream_socket import SocketBounds
from openclaw_voice_call.webhook.streams import StreamLimits
from tests.voice_call.webhook.stream_fakes import (
    LINKS,
    STREAM_PATH,
    TICKET,
    WAIT_S,
    client_frame,
    pass_path,
    start_message,
    upgrade,
)
from tests.voice_call.webhook.stream_house import AUDIO, FORGED, OTHER, close_code, house

# --- a stream


async def test_a_stream_that_is_expected_is_let_in_and_carries_messages_both_ways() -> None:
    async with house() as it, it.carrier() as carrier:
        await carrier.send('{"connected": true}')
        await carrier.send(start_message())
        stream = await it.desk.stream()
        assert (stream.ticket, stream.start.stream_id) == (TICKET, "MZ1")
        assert it.door.counts.open == 1
        assert it.door.counts.pending == 0
        for n in range(5):
            await carrier.send(f"in {n}")
            stream.wire.send(f"out {n} \u00e4")
        await carrier.send(b"binary")
        assert await stream.until(6) == [*(f"in {n}" for n in range(5)), b"binary"]
        heard = [await asyncio.wait_for(carrier.recv(), WAIT_S) for _ in range(5)]
        assert heard == [f"out {n} \u00e4" for n in range(5)]
        assert stream.wire.unsent == 0
        await carrier.close()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert carrier.close_code == 1000
        stream.wire.send("nobody hears this")
        stream.wire.close()


async def test_no_word_is_lost_that_comes_with_or_right_after_the_start() -> None:
    async with house() as it:
        it.desk.gate.clear()
        client = await it.upgraded(pass_path())
        said = [f"m{n}" for n in range(200)]
        frames = [client_frame(text.encode()) for text in (start_message(), *said)]
        await client.say(b"".join(frames[:50]))
        await asyncio.wait_for(it.desk.asked.acquire(), WAIT_S)
        await client.say(b"".join(frames[50:]))
        it.desk.gate.set()
        stream = await it.desk.stream()
        assert await stream.until(200) == said


async def test_frames_that_come_with_the_upgrade_itself_are_not_lost() -> None:
    async with house() as it:
        client = await it.stranger(
            upgrade(pass_path()) + client_frame(start_message().encode()) + client_frame(b"early")
        )
        assert await client.status() == 101
        stream = await it.desk.stream()
        assert await stream.until(1) == ["early"]


async def test_we_close_and_the_sink_is_told_once() -> None:
    async with house() as it, it.carrier() as carrier:
        await carrier.send(start_message())
        stream = await it.desk.stream()
        stream.wire.send("last words")
        stream.wire.close(1000, "call over")
        stream.wire.close(1011, "again")
        assert await asyncio.wait_for(carrier.recv(), WAIT_S) == "last words"
        assert await close_code(carrier) == 1000
        assert carrier.close_reason == "call over"
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert stream.ends == 1


async def test_what_comes_after_our_close_is_not_handed_on() -> None:
    async with house(StreamLimits(socket=SocketBounds(close_s=0.2))) as it:
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        stream = await it.desk.stream()
        stream.wire.close(1000)
        assert await client.close_code() == 1000
        await client.say(client_frame(b"too late"))
        # It does not answer our close, so it is cut.
        await client.until_gone()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert stream.messages == []


async def test_a_carrier_that_vanishes_ends_the_stream() -> None:
    async with house() as it:
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        stream = await it.desk.stream()
        client.writer.transport.abort()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert stream.wire.unsent == 0


async def test_a_carrier_that_vanishes_while_it_is_let_in_is_still_reported() -> None:
    async with house() as it:
        it.desk.gate.clear()
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        await asyncio.wait_for(it.desk.asked.acquire(), WAIT_S)
        client.writer.transport.abort()
        it.desk.gate.set()
        stream = await it.desk.stream()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)


# --- who is let in


@pytest.mark.scenario("F2")
@pytest.mark.parametrize("path", [STREAM_PATH, f"{STREAM_PATH}/", f"{STREAM_PATH}?dropped=1"])
async def test_a_carrier_that_gives_only_parameters_back_is_let_in_by_its_start(path: str) -> None:
    async with house() as it, it.carrier(path) as carrier:
        await carrier.send(start_message(LINKS.pass_for(TICKET)))
        stream = await it.desk.stream()
        assert stream.ticket == TICKET
        await carrier.send(AUDIO)
        assert await stream.until(1) == [AUDIO]


@pytest.mark.scenario("F2")
@pytest.mark.parametrize("token", [None, "", "x", FORGED, f"{LINKS.pass_for(TICKET)}A"])
async def test_a_start_without_our_pass_is_refused(token: str | None) -> None:
    async with house() as it, it.carrier(STREAM_PATH) as carrier:
        await carrier.send(start_message(token))
        assert await close_code(carrier) == 1008
        assert it.refused("forged") == 1
        assert it.desk.streams == []


async def test_a_pass_of_a_stream_that_is_over_is_refused_in_path_and_parameter() -> None:
    async with house(None, OTHER) as it:
        client = await it.stranger(upgrade(pass_path(TICKET)))
        assert await client.status() == 403
        it.desk.failures = [StreamRefused("not expected")]
        async with it.carrier(STREAM_PATH) as carrier:
            await carrier.send(start_message(LINKS.pass_for(TICKET)))
            assert await close_code(carrier) == 1008
        assert it.refused("unexpected") == 2
        assert it.desk.streams == []


async def test_a_second_stream_with_the_same_pass_is_refused() -> None:
    async with house() as it, it.carrier() as first, it.carrier() as second:
        await first.send(start_message())
        stream = await it.desk.stream()
        it.desk.failures = [StreamRefused("already open")]
        await second.send(start_message())
        assert await close_code(second) == 1008
        assert (await it.stranger(upgrade(pass_path()))) is not None
        assert await it.clients[-1].status() == 403
        await first.send("still there")
        assert await stream.until(1) == ["still there"]


@pytest.mark.parametrize(
    ("head", "status", "header"),
    [
        (upgrade(f"{STREAM_PATH}/{FORGED}"), 404, None),
        (upgrade(f"{STREAM_PATH}/{'a' * 4000}"), 404, None),
        (upgrade(f"{pass_path()}/more"), 404, None),
        (upgrade(f"{STREAM_PATH}/call/1/%d3%ff"), 404, None),
        (upgrade("/voice/streams"), 404, None),
        (upgrade("/voice"), 404, None),
        (upgrade(f"//{pass_path()}"), 404, None),
        (upgrade(pass_path(), method="POST"), 405, ("allow", "get")),
        (upgrade(pass_path(), upgrade="h2c"), 426, ("upgrade", "websocket")),
        (upgrade(pass_path(), version="8"), 426, ("sec-websocket-version", "13")),
        (upgrade(pass_path(), key="short"), 400, None),
        (f"GET {pass_path()} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 426, None),
    ],
)
async def test_what_is_not_upgraded(
    head: bytes, status: int, header: tuple[str, str] | None
) -> None:
    async with house() as it:
        client = await it.stranger(head)
        answered, headers = await client.answer()
        assert (answered, headers["connection"]) == (status, "close")
        assert header is None or headers[header[0]] == header[1]
        assert headers["server"] == "openclaw"
        await client.until_gone()
        assert it.desk.streams == []


@pytest.mark.scenario("F93")
@pytest.mark.parametrize("path", [STREAM_PATH, pass_path()])
@pytest.mark.parametrize(
    "host",
    [
        *(b"Host: [::1\r\n", b"Host: \r\n", b"Host: \xff\xfe\r\n", b"Host: a b\r\n", b""),
        b"Host: a\r\nHost: b\r\n",
    ],
)
async def test_a_malformed_host_on_an_upgrade_is_never_our_fault(host: bytes, path: str) -> None:
    async with house() as it:
        client = await it.stranger(upgrade(path, host=host))
        assert 400 <= await client.status() < 500
        async with it.carrier() as carrier:
            await carrier.send(start_message())
            await it.desk.stream()


async def test_no_extension_is_agreed_on() -> None:
    async with house() as it, it.carrier() as carrier:
        assert carrier.response is not None
        assert "Sec-WebSocket-Extensions" not in carrier.response.headers


async def test_a_stream_in_another_coding_is_refused_by_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house() as it, it.carrier() as carrier:
        await carrier.send(start_message(encoding="audio/L16"))
        assert await close_code(carrier) == 1003
        (line,) = [line for line in caplog.records if line.message == "media stream refused"]
        assert vars(line)["detail"] == "the carrier sends 'audio/L16' at 8000 Hz"


@pytest.mark.parametrize(
    ("failure", "code"),
    [(StreamRefused("not expected"), 1008), (JournalRefused("disk full"), 1013)],
)
async def test_a_refusal_of_the_desk_has_its_close_code(failure: Exception, code: int) -> None:
    async with house() as it, it.carrier() as carrier:
        it.desk.failures = [failure]
        await carrier.send(start_message())
        assert await close_code(carrier) == code


async def test_a_desk_that_does_not_answer_is_given_up() -> None:
    async with house(StreamLimits(connect_s=0.05)) as it, it.carrier() as carrier:
        it.desk.gate.clear()
        await carrier.send(start_message())
        assert await close_code(carrier) == 1013


async def test_a_defect_of_ours_cuts_the_stream_and_the_door_stays_open() -> None:
    async with house() as it:
        it.desk.failures = [RuntimeError("a defect")]
        async with it.carrier() as carrier:
            await carrier.send(start_message())
            assert await close_code(carrier) is None
        async with it.carrier() as carrier:
            await carrier.send(start_message())
            await it.desk.stream()
