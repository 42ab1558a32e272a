"""The plugin: one RPC method, one tool and one service, around one small object."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from openclaw.sdk import Caller, ConfigProblem, PluginApi, RpcError, Tool, ToolResult

SECTION = "plugins.entries.hello.config"
DEFAULT_GREETING = "Hello"

_TOOL_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "description": "Whom to greet."}},
    "required": ["name"],
}


class Greeter:
    """Greets, and remembers how often. Knows nothing of gateways, so it is tested by itself."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.count = 0

    def greet(self, name: object) -> str:
        """The greeting. Raises ValueError when `name` is no text with words in it."""
        if not isinstance(name, str) or not name.strip():
            raise ValueError("name required")
        self.count += 1
        return f"{self.word}, {name.strip()}!"


class GreetingCount:
    """The service: brings the count from the state folder and takes it back there."""

    def __init__(self, greeter: Greeter, file: Path) -> None:
        self._greeter = greeter
        self._file = file

    async def start(self) -> None:
        """Read the count of earlier runs."""
        # Files block, so they are read outside the gateway's loop.
        self._greeter.count += await asyncio.to_thread(self._read)

    async def stop(self) -> None:
        """Write it down for the next run."""
        await asyncio.to_thread(self._file.write_text, str(self._greeter.count))

    def _read(self) -> int:
        return int(self._file.read_text()) if self._file.exists() else 0


class HelloPlugin:
    """What the entry point names. It is made without arguments, also just to check a config."""

    id = "hello"

    def check_config(
        self, config: Mapping[str, object], environ: Mapping[str, str]
    ) -> Sequence[ConfigProblem]:
        """Pure: each problem with its path, so that its owner can put it right."""
        problems = [
            ConfigProblem(f"{SECTION}.{key}", f'Unrecognized key: "{key}"')
            for key in config
            if key != "greeting"
        ]
        greeting = config.get("greeting", DEFAULT_GREETING)
        if not isinstance(greeting, str):
            problems.append(
                ConfigProblem(f"{SECTION}.greeting", "expected string, received", greeting)
            )
        return problems

    def register(self, api: PluginApi) -> None:
        """Attach everything. Cheap and without effects: what has a lifetime waits for `start`."""
        problems = self.check_config(api.config, api.environ)
        if problems:
            api.report_problems(problems)
            return
        greeter = Greeter(str(api.config.get("greeting", DEFAULT_GREETING)))

        async def greet(params: Mapping[str, object], caller: Caller) -> object:
            try:
                text = greeter.greet(params.get("name"))
            except ValueError as error:
                raise RpcError("INVALID_REQUEST", str(error)) from error
            api.publish("hello.greeted", {"count": greeter.count})
            return {"text": text, "count": greeter.count}

        async def greet_tool(arguments: Mapping[str, object]) -> ToolResult:
            try:
                return ToolResult.of({"text": greeter.greet(arguments.get("name"))})
            except ValueError as error:
                # The model reads this and can do better.
                return ToolResult.error(str(error))

        api.add_rpc("hello.greet", greet, "operator.write")
        api.add_tool(
            Tool("hello_greet", "Greet", "Greets somebody by name.", _TOOL_SCHEMA, greet_tool)
        )
        count = GreetingCount(greeter, api.state_dir / "hello-count")
        api.add_service("count", count.start, count.stop)
