"""A small plugin, installed like a real one, that uses every part of the plugin API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from openclaw.sdk import Caller, ConfigProblem, OpenClawError, PluginApi, RpcError, Tool, ToolResult

SECTION = "plugins.entries.tiny.config"


class TinyPlugin:
    """Greets; its configuration says how, and what goes wrong."""

    id = "tiny"

    def check_config(
        self, config: Mapping[str, object], environ: Mapping[str, str]
    ) -> Sequence[ConfigProblem]:
        if isinstance(config.get("greeting", "Hello"), str):
            return []
        return [
            ConfigProblem(f"{SECTION}.greeting", "expected string, received", config["greeting"])
        ]

    def register(self, api: PluginApi) -> None:
        if api.config.get("fails") == "register":
            raise OpenClawError(f"cannot register with {api.config.get('apiKey')}")
        problems = self.check_config(api.config, api.environ)
        api.report_problems(problems)

        async def greet(params: Mapping[str, object], caller: Caller) -> object:
            if problems:
                raise RpcError("UNAVAILABLE", "; ".join(each.render() for each in problems))
            api.publish("tiny.greeted", {"by": caller.client_id})
            return {"text": f"{api.config.get('greeting', 'Hello')}, {params.get('name')}!"}

        async def shout(arguments: Mapping[str, object]) -> ToolResult:
            return ToolResult.of({"text": str(arguments.get("text")).upper()})

        api.add_rpc("tiny.greet", greet, "operator.read")
        api.add_tool(Tool("tiny_shout", "Shout", "Says it louder.", {"type": "object"}, shout))
        service = _Service(api)
        api.add_service("presence", service.start, service.stop)


class _Service:
    def __init__(self, api: PluginApi) -> None:
        self._api = api
        self._file = api.state_dir / "tiny-presence"

    async def start(self) -> None:
        if self._api.config.get("fails") == "start":
            raise OpenClawError("the line is dead")
        self._api.tasks.spawn("watch", self._watch())
        self._file.write_text("up")
        secret = self._api.config.get("apiKey")
        self._api.log.info("service up", extra={"key": secret, "forged": "a\n00:00:00 [b] c"})

    async def stop(self) -> None:
        if self._api.config.get("fails") == "stop":
            self._file.write_text("stopping")
            await asyncio.sleep(3600)
        self._file.write_text("restarting" if self._api.restarting else "stopped")

    async def _watch(self) -> None:
        await asyncio.sleep(3600)
