"""Plugins registering with a host, and their services' lifetime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from openclaw.agent.runtime import AgentRuntime
from openclaw.agent.settings import AgentSettings
from openclaw.agent.tools import Tool, ToolRegistry, ToolResult
from openclaw.config.load import LoadedConfig, load_config
from openclaw.errors import PluginRejected
from openclaw.plugins.api import HostParts
from openclaw.plugins.check import plugin_problems
from openclaw.plugins.discovery import InstalledPlugin
from openclaw.plugins.loader import register_plugins
from openclaw.plugins.manifest import PluginManifest
from openclaw.plugins.registry import PluginRegistry
from openclaw.rpc.router import Caller, RpcRouter
from openclaw.sdk import ConfigProblem, PluginApi
from tests.clock import FakeClock

Register = Callable[[PluginApi], None]


class _Point(EntryPoint):
    """An entry point that leads to an object at hand."""

    def load(self) -> object:
        return FACTORIES[self.value]


FACTORIES: dict[str, object] = {}


class Host:
    """A gateway's parts without its doors."""

    def __init__(self, folder: Path, plugins: Mapping[str, Register | object]) -> None:
        config = {"plugins": {"entries": {name: {"enabled": True} for name in plugins}}}
        (folder / "openclaw.json").write_text(json.dumps(config))
        self.loaded: LoadedConfig = load_config({"OPENCLAW_STATE_DIR": str(folder)}, folder)
        self.clock, self.router, self.tools = FakeClock(), RpcRouter(), ToolRegistry()
        self.installed = [_installed(name, plugin) for name, plugin in plugins.items()]
        self.plugins = PluginRegistry(
            self.loaded.config.plugins, self.installed, start_timeout_s=0.05, stop_timeout_s=0.05
        )
        self.published: list[str] = []
        settings = AgentSettings.parse({}, {})
        parts = HostParts(
            state_dir=folder,
            clock=self.clock,
            agents=AgentRuntime(folder, settings, self.tools, self.clock),
            router=self.router,
            tools=self.tools,
            publish=lambda event, _payload: self.published.append(event),
            restarting=lambda: False,
        )
        register_plugins(self.plugins, self.loaded, parts)

    def errors(self, plugin_id: str) -> list[str]:
        record = self.plugins.find(plugin_id)
        assert record is not None
        return record.errors


def _installed(name: str, plugin: Register | object) -> InstalledPlugin:
    class Sample:
        id = name

        def register(self, api: PluginApi) -> None:
            assert callable(plugin)
            plugin(api)

        def check_config(
            self, config: Mapping[str, object], environ: Mapping[str, str]
        ) -> Sequence[ConfigProblem]:
            raise ValueError("sk-secret")

    FACTORIES[f"{name}:Plugin"] = Sample if callable(plugin) else (lambda: plugin)
    manifest = PluginManifest(id=name, config_schema={"type": "object"})
    point = _Point(name, f"{name}:Plugin", "openclaw.plugins")
    return InstalledPlugin(name, point, "", "1", manifest, None, None, ())


async def _answer(params: Mapping[str, object], caller: Caller) -> object:
    return params


async def _nothing(arguments: Mapping[str, object]) -> ToolResult:
    return ToolResult.of({})


async def _idle() -> None: ...


def test_failing_plugin_leaves_no_doors_and_spares_the_others(tmp_path: Path) -> None:
    def half_way(api: PluginApi) -> None:
        api.add_rpc("a.one", _answer)
        raise RuntimeError("no luck")

    host = Host(tmp_path, {"a": half_way, "b": lambda api: api.add_rpc("b.one", _answer)})
    assert host.router.names == ["b.one"]
    assert host.errors("a") == ["failed to register: RuntimeError: no luck"]
    assert [record.id for record in host.plugins.failing] == ["a"]


def test_taken_name_is_refused_whole(tmp_path: Path) -> None:
    tool = Tool("shout", "", "", {"type": "object"}, _nothing)

    def second(api: PluginApi) -> None:
        api.add_rpc("b.one", _answer)
        api.add_tool(tool)

    host = Host(tmp_path, {"a": lambda api: api.add_tool(tool), "b": second})
    assert host.router.names == []
    assert host.errors("b") == ["tool shout is already registered"]


def test_tool_that_models_cannot_read_is_refused_whole(tmp_path: Path) -> None:
    def register(api: PluginApi) -> None:
        api.add_rpc("a.one", _answer)
        api.add_tool(Tool("good", "", "", {"type": "object"}, _nothing))
        api.add_tool(Tool("bad", "", "", {"anyOf": []}, _nothing))

    host = Host(tmp_path, {"a": register})
    assert (host.router.names, len(host.tools)) == ([], 0)
    assert "bad" in host.errors("a")[0]


def test_doors_are_added_in_register_only(tmp_path: Path) -> None:
    kept: list[PluginApi] = []
    host = Host(tmp_path, {"a": kept.append})
    with pytest.raises(PluginRejected, match=r"only be added in register\(\)"):
        kept[0].add_rpc("a.late", _answer)
    assert host.router.names == []


def test_object_that_is_no_plugin_is_named(tmp_path: Path) -> None:
    host = Host(tmp_path, {"a": object()})
    assert host.errors("a") == ["a:Plugin is no plugin (id, register and check_config)"]


async def test_services_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    story: list[str] = []

    def register(api: PluginApi) -> None:
        def step(word: str) -> Callable[[], asyncio.Future[None]]:
            def done() -> asyncio.Future[None]:
                story.append(f"{word} {api.plugin_id}")
                future = asyncio.get_running_loop().create_future()
                future.set_result(None)
                return future

            return done

        api.add_service("one", step("start"), step("stop"))

    host = Host(tmp_path, {"a": register, "b": register})
    await host.plugins.start()
    await host.plugins.stop()
    assert story == ["start a", "start b", "stop b", "stop a"]


async def test_service_that_hangs_or_raises_does_not_hold_the_others(tmp_path: Path) -> None:
    story: list[str] = []

    async def hang() -> None:
        await asyncio.Event().wait()

    async def fail() -> None:
        raise RuntimeError("no luck")

    async def start() -> None:
        story.append("started")

    async def stop() -> None:
        story.append("stopped")

    def register(api: PluginApi) -> None:
        api.add_service("hangs", hang, stop)
        api.add_service("fails", fail, stop)
        api.add_service("stuck", _idle, hang)
        api.add_service("works", start, stop)
        api.tasks.spawn("watch", hang())

    host = Host(tmp_path, {"a": register})
    await host.plugins.start()
    await host.plugins.stop()
    assert story == ["started", "stopped"]
    assert host.errors("a") == [
        "service hangs failed to start: TimeoutError: not done after 0.05 s",
        "service fails failed to start: RuntimeError: no luck",
    ]


def test_section_names_what_is_not_installed(tmp_path: Path) -> None:
    text = '{plugins: {entries: {gone: {enabled: true}, a: {config: {x: 1}}}, allow: ["lost"]}}'
    (tmp_path / "openclaw.json").write_text(text)
    loaded = load_config({"OPENCLAW_STATE_DIR": str(tmp_path)}, tmp_path)
    found = plugin_problems(loaded, [_installed("a", lambda _api: None)])
    assert [(each.path, each.severity) for each in found] == [
        ("plugins.entries.gone", "warning"),
        ("plugins.allow[0]", "error"),
        ("plugins.entries.a", "error"),
    ]
    assert "sk-secret" not in "".join(each.render() for each in found)
