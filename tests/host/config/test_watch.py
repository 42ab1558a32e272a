"""The configuration's files change on disk; time passes by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from openclaw.config.include import ReadText
from openclaw.config.load import LoadedConfig, load_config
from openclaw.config.restart import needing_restart
from openclaw.config.tree import subtree
from openclaw.config.watch import ConfigWatch
from tests.clock import FakeClock
from tests.host.config.conftest import Home

LONG_S = 3.0
"""More than a look and the rest after it take together."""


class Watched:
    """A watch on a home's configuration, and what it has brought."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.clock = FakeClock()
        self.applied: list[LoadedConfig] = []
        self.watch = ConfigWatch(self.load(), self.load, self._apply, self.clock)

    def load(self, read: ReadText | None = None) -> LoadedConfig:
        env, cwd = self.home.env, self.home.cwd
        return load_config(env, cwd) if read is None else load_config(env, cwd, read=read)

    async def _apply(self, loaded: LoadedConfig) -> None:
        self.applied.append(loaded)

    async def rest(self) -> None:
        """Until it waits for the clock: files are read in a thread."""
        async with asyncio.timeout(5):
            while not self.clock.waiting:  # noqa: ASYNC110 (a thread has no event)
                await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            await self.rest()
            await self.clock.advance(0.1)
        await self.rest()

    @property
    def greetings(self) -> list[object]:
        """Of the plugin `p`, in the order in which they were brought."""
        return [each.plugin_config("p")["greeting"] for each in self.applied]


@asynccontextmanager
async def watching(home: Home) -> AsyncGenerator[Watched]:
    watched = Watched(home)
    task = asyncio.get_running_loop().create_task(watched.watch.run())
    try:
        await watched.rest()
        yield watched
    finally:
        task.cancel()
        await asyncio.wait([task])


def greeting(text: str, more: str = "") -> str:
    return f"{{plugins: {{entries: {{p: {{config: {{greeting: {text}}}}}}}}}{more}}}"


async def test_a_change_is_brought_once_it_has_come_to_rest(home: Home) -> None:
    home.write(greeting("'one'"))
    async with watching(home) as watched:
        await watched.pass_time(LONG_S)
        assert watched.applied == []
        home.write(greeting("'two two'"))
        await watched.pass_time(1.1)
        home.write(greeting("'three three'"))
        await watched.pass_time(0.2)
        assert watched.applied == [], "somebody was still writing"
        await watched.pass_time(LONG_S)
        assert watched.greetings == ["three three"]


async def test_a_change_before_the_watch_began_is_brought(home: Home) -> None:
    home.write(greeting("'one'"))
    watched = Watched(home)
    home.write(greeting("'two'"))
    task = asyncio.get_running_loop().create_task(watched.watch.run())
    await watched.rest()
    assert watched.greetings == ["two"]
    task.cancel()


def _replace(home: Home) -> None:
    new = home.write(greeting("'new words'"), "openclaw.json.new")
    new.replace(home.state_dir / "openclaw.json")


def _change_part(home: Home) -> None:
    home.write("{greeting: 'new words'}", "part.json5")


def _add_env_file(home: Home) -> None:
    home.write("WORDS=new words\n", ".env")


@pytest.mark.parametrize("change", [_replace, _change_part, _add_env_file])
async def test_everything_that_was_read_is_watched(
    home: Home, change: Callable[[Home], None]
) -> None:
    part = {"$include": "./part.json5"}
    text = f"{{plugins: {{entries: {{p: {{config: {part!r}}}}}}}}}"
    home.write("{greeting: '${WORDS}'}", "part.json5")
    home.write(text)
    async with watching(home) as watched:
        change(home)
        await watched.pass_time(LONG_S)
        assert watched.greetings == ["new words"]


async def test_a_wrong_file_is_told_and_the_next_right_one_is_brought(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    home.write(greeting("'one'"))
    async with watching(home) as watched:
        home.write(greeting("'two'", ", gateway: {port: 'many'}"))
        await watched.pass_time(LONG_S)
        assert "config reload skipped (invalid config): gateway.port: " in caplog.text
        home.write("{plugins: {entries: {p: {config: {$include: './gone.json5'}}}}}")
        await watched.pass_time(LONG_S)
        assert "gone.json5" in caplog.text
        assert watched.applied == []
        # It was never read, and still it is waited for.
        home.write("{greeting: 'three'}", "gone.json5")
        await watched.pass_time(LONG_S)
        assert watched.greetings == ["three"]


async def test_a_file_that_says_the_same_in_other_words_is_no_change(home: Home) -> None:
    home.write(greeting("'one'"))
    async with watching(home) as watched:
        home.write("// A comment.\n" + greeting('"one"'))
        await watched.pass_time(LONG_S)
        assert watched.applied == []


async def test_reloading_can_be_switched_off(home: Home) -> None:
    off = ", gateway: {reload: {mode: 'off'}}"
    home.write(greeting("'one'"))
    watched = Watched(home)
    task = asyncio.get_running_loop().create_task(watched.watch.run())
    await watched.rest()
    home.write(greeting("'two'", off))
    async with asyncio.timeout(5):
        while not task.done():
            await watched.clock.advance(0.1)
    assert watched.greetings == ["two"], "the change that switches it off is still taken up"
    assert subtree(watched.applied[0].resolved, "gateway", "reload") == {"mode": "off"}


def test_what_takes_a_restart() -> None:
    nothing: dict[str, object] = {}
    started: dict[str, object] = {
        "gateway": {"port": 1, "reload": {"mode": "hot"}},
        "plugins": {
            "entries": {"a": {"enabled": True, "config": {"x": 1}}, "b": {"config": nothing}}
        },
        "models": {"providers": nothing},
        "somebody-elses": 1,
    }
    now: dict[str, object] = {
        "gateway": {"port": 2, "bind": "lan", "reload": {"mode": "off"}},
        "plugins": {
            "deny": ["c"],
            "entries": {"a": {"enabled": False, "config": {"x": 2}}, "b": {"config": {"y": 1}}},
        },
        "models": {"providers": {"one": nothing}},
        "somebody-elses": 2,
    }
    assert needing_restart(started, started) == ()
    assert needing_restart(started, now, deaf=["b"]) == (
        "gateway.bind",
        "gateway.port",
        "models",
        "plugins.deny",
        "plugins.entries.a.enabled",
        "plugins.entries.b.config",
    )
