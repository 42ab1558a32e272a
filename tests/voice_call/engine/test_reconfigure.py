"""The plugin takes up a changed section: at once for new calls, between calls for the rest."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from openclaw.clock import SystemClock
from openclaw.tasks import Supervisor
from openclaw_voice_call.call.types import CallId, Mode
from openclaw_voice_call.errors import (
    NotConfigured,
    NotReady,
    PluginDisabled,
    Reconfiguring,
    ShuttingDown,
)
from openclaw_voice_call.plugin import VoiceCall
from openclaw_voice_call.runtime import VoiceCallRuntime
from tests.voice_call.rig import FakeAgents, FakeApi

ANN, BOB = "+15550002001", "+15550002002"


class Plugin:
    """The plugin in a host that changes its section."""

    def __init__(self, api: FakeApi, agents: FakeAgents) -> None:
        self.api = api
        self.agents = agents
        self.voice_call = VoiceCall(api)

    @property
    def running(self) -> VoiceCallRuntime:
        runtime = self.voice_call.running()
        assert runtime is not None, self.voice_call.problem()
        return runtime

    async def change(self, **keys: object) -> None:
        """As the host does it when the file has changed."""
        self.api.config = {**self.api.config, **keys}
        self.api.problems.clear()
        await self.voice_call.reconfigure()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 (there is no event to wait for)
                await asyncio.sleep(0.01)

    async def call(self, number: str = ANN) -> CallId:
        """A conversation that is up."""
        service = self.running.service
        placed = await service.initiate(to=number, message="Hello.", mode=Mode.CONVERSATION)
        await self.api.published("voicecall.call", callId=placed.call_id, state="listening")
        return placed.call_id

    async def end(self, call: CallId) -> None:
        await self.running.service.end(call, at_once=True)
        await self.api.published("voicecall.call", callId=call, live=False)


@asynccontextmanager
async def plugin(folder: Path, **config: object) -> AsyncGenerator[Plugin]:
    section: dict[str, object] = {
        "provider": "mock",
        "serve": {"port": 0},
        "mock": {"speed": 50.0, "script": [{"number": ANN}, {"number": BOB}]},
        "maxConcurrentCalls": 5,
        **config,
    }
    tasks, agents = Supervisor("plugin", logging.getLogger("plugin")), FakeAgents()
    api = FakeApi(folder, SystemClock(), agents, tasks, config=section)
    host = Plugin(api, agents)
    await host.voice_call.start()
    try:
        yield host
    finally:
        await host.voice_call.stop()
        assert len(tasks) == 0 or await _ends(tasks)
        await tasks.close()
    with pytest.raises(ShuttingDown):
        host.voice_call.service()


async def _ends(tasks: Supervisor) -> bool:
    """What a stopped runtime cancelled has a moment to end; nothing of it goes on."""
    async with asyncio.timeout(5):
        while len(tasks):  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.01)
    return True


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.scenario("F69")
async def test_a_live_call_keeps_what_it_began_with(tmp_path: Path) -> None:
    talkative = [{"number": ANN, "says": ["", "One."]}, {"number": BOB, "says": ["Two."]}]
    mock = {"speed": 50.0, "script": talkative}
    async with plugin(tmp_path, mock=mock, responseModel="a/old") as host:
        before = host.running
        first = await host.call(ANN)
        await host.change(responseModel="b/new", responseSystemPrompt="Be brief.")
        second = await host.call(BOB)
        await host.until(lambda: len(host.agents.asked) >= 1)
        asked = {each.turn_key.split(":")[0]: each for each in host.agents.asked}
        assert asked[second].model == "b/new"
        assert str(asked[second].system_prompt).startswith("Be brief.")
        record, _ = await host.running.service.history(first) or pytest.fail("unknown")
        assert record.live
        assert (record.settings.model, record.settings.prompt) == ("a/old", None)
        assert host.running is before
        await host.end(first)


@pytest.mark.scenario("F69")
async def test_another_port_waits_for_the_end_of_the_live_call(tmp_path: Path) -> None:
    async with plugin(tmp_path) as host:
        old = host.running
        call = await host.call()
        port = free_port()
        await host.change(serve={"port": port}, maxConcurrentCalls=2)
        assert host.running is old
        assert listens(old.webhook_port)
        # New calls still work, and the part of the change that concerns them holds already.
        other = await host.call(BOB)
        with pytest.raises(Exception, match="2"):
            await host.running.service.initiate(to=ANN, message="Hi.", mode=Mode.NOTIFY)
        await host.end(other)
        was = old.webhook_port
        await host.end(call)
        await host.until(lambda: host.voice_call.running() not in (None, old))
        assert host.running.webhook_port == port
        assert listens(port)
        assert not listens(was)
        known = await host.running.service.status(call)
        assert known is not None
        await host.end(await host.call())


@pytest.mark.scenario("F69")
async def test_whoever_asks_while_a_runtime_is_replaced_is_answered_by_the_next(
    tmp_path: Path,
) -> None:
    async with (
        plugin(tmp_path, serve={"port": free_port()}) as host,
        aiohttp.ClientSession() as web,
    ):
        replaced = asyncio.Event()
        answers: list[int] = []
        url = f"http://127.0.0.1:{host.running.webhook_port}/voice/webhook"

        async def ask() -> None:
            while not replaced.is_set():
                # Unsigned, so 401 it is: a refusal by the door, which somebody must keep.
                async with web.post(url, data=b"x", headers={"Connection": "close"}) as answer:
                    answers.append(answer.status)

        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(ask())
            for n in range(3):
                old = host.running
                await host.change(mock={"speed": 50.0 + n + 1})
                await host.until(lambda old=old: host.voice_call.running() not in (None, old))
            replaced.set()
    assert set(answers) == {401}


async def test_another_voice_of_the_host_takes_a_new_runtime(tmp_path: Path) -> None:
    async with plugin(tmp_path) as host:
        old = host.running
        host.api.host_config = {"messages": {"tts": {"openai": {"voice": "nova"}}}}
        await host.change()
        await host.until(lambda: host.voice_call.running() not in (None, old))
        old = host.running
        host.api.host_config = {**host.api.host_config, "logging": {"level": "info"}}
        await host.change()
        await host.end(await host.call())
        assert host.running is old


async def test_a_change_back_replaces_nothing(tmp_path: Path) -> None:
    async with plugin(tmp_path) as host:
        old, call = host.running, await host.call()
        await host.change(serve={"port": free_port()})
        await host.change(serve={"port": 0})
        await host.end(call)
        await host.end(await host.call())
        assert host.running is old


async def test_a_wrong_section_leaves_the_old_one_at_work(tmp_path: Path) -> None:
    async with plugin(tmp_path) as host:
        old = host.running
        for wrong in ({"inboundPolicy": "everybody"}, {"provider": "twilio"}):
            section = host.api.config
            await host.change(**wrong)
            assert host.running is old
            assert {each.severity for each in host.api.problems} == {"warning"}
            host.api.config = section
        await host.end(await host.call())


async def test_a_start_that_fails_says_why_at_every_door_until_a_change_helps(
    tmp_path: Path,
) -> None:
    async with plugin(tmp_path) as host:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            await host.change(serve={"port": taken.getsockname()[1]})
            await host.until(lambda: bool(host.api.problems))
            with pytest.raises(NotReady, match="cannot listen") as failed:
                host.voice_call.service()
            assert not isinstance(failed.value, Reconfiguring)
            await host.change(inboundPolicy="everybody")
            with pytest.raises(NotConfigured, match="inboundPolicy"):
                host.voice_call.service()
        await host.change(serve={"port": free_port()}, inboundPolicy="open")
        await host.until(lambda: host.voice_call.running() is not None)
        assert host.voice_call.problem() is None
        await host.end(await host.call())


async def test_it_can_be_switched_off_and_on(tmp_path: Path) -> None:
    async with plugin(tmp_path) as host:
        port = host.running.webhook_port
        await host.change(enabled=False)
        await host.until(lambda: isinstance(_reason(host), PluginDisabled))
        assert not listens(port)
        await host.change(enabled=True)
        await host.until(lambda: host.voice_call.running() is not None)
        await host.end(await host.call())


async def test_a_wrong_section_at_the_start_can_be_put_right(tmp_path: Path) -> None:
    async with plugin(tmp_path, inboundPolicy="everybody") as host:
        with pytest.raises(NotConfigured):
            host.voice_call.service()
        await host.change(inboundPolicy="open")
        await host.until(lambda: host.voice_call.running() is not None)
        await host.end(await host.call())


def _reason(host: Plugin) -> NotReady | None:
    try:
        host.voice_call.service()
    except NotReady as reason:
        return reason
    return None
