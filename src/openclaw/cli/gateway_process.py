"""The process around the gateway: event loop, signals, the bounded end, restart."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from openclaw.cli.output import complain, explained
from openclaw.config.load import load_config
from openclaw.config.token import token_path
from openclaw.errors import OpenClawError
from openclaw.gateway import Ending, Gateway, ReadyGateway

END_WITHIN_S = 10.0
OPEN_FILES = 8192
"""Descriptors: connections of clients, carriers and vendors, journals and logs."""


def run_gateway(overrides: Mapping[str, object], profile: str | None) -> None:
    """Run a gateway until it is told to end; ends the process with its exit status.

    SIGTERM and SIGINT end it in order and within ten seconds, a second one at once; SIGUSR1
    restarts it: the process replaces itself, keeping its PID.
    """
    _allow_files(OPEN_FILES)
    try:
        load = partial(load_config, os.environ, Path.cwd(), overrides, profile=profile)
        loaded = load()
        gateway = Gateway(loaded, console=sys.stderr, load=lambda read: load(read=read))
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            ending = runner.run(_serve(gateway, loaded.state_dir))
    except OpenClawError as error:
        complain(*explained(error))
        raise SystemExit(1) from None
    except OSError as error:
        complain(f"the gateway cannot start: {error}")
        raise SystemExit(1) from None
    if ending == "restart":
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _allow_files(wanted: int) -> None:
    """Many systems give a process 256 or 1024 descriptors and let it ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS may refuse what it calls allowed; then it stays as it was.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(gateway: Gateway, state_dir: Path) -> Ending:
    loop = asyncio.get_running_loop()
    stopping = False

    def stop(*, restart: bool = False) -> None:
        nonlocal stopping
        if stopping:
            os._exit(1)
        stopping = True
        _end_by_force_after(END_WITHIN_S)
        gateway.stop(restart=restart)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGUSR1, lambda: stop(restart=True))
    return await gateway.run(lambda ready: _announce(ready, state_dir))


def _announce(ready: ReadyGateway, state_dir: Path) -> None:
    click.echo(f"gateway ready: {', '.join(ready.urls)}")
    if ready.token_generated:
        path = token_path(state_dir)
        click.echo(f"gateway token: {path} (commands on this machine find it by themselves)")
        click.echo(f'another client needs: export OPENCLAW_GATEWAY_TOKEN="$(cat {path})"')
    sys.stdout.flush()


def _end_by_force_after(seconds: float) -> None:
    """Whatever hangs, the process ends; nobody should need `kill -9`."""

    def end() -> None:
        sys.stderr.write(f"openclaw: not stopped after {seconds:g} s, ending now\n")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
