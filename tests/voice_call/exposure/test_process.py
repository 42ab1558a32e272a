"""Children: heard to the end, ended within bounds, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from openclaw_voice_call.exposure.output import REDACTED, Redaction
from openclaw_voice_call.exposure.process import (
    MAX_OUTPUT_BYTES,
    TAIL_LINES,
    Child,
    Patience,
    child_env,
    delays,
    find_program,
    run,
)

ENV = {"PATH": os.environ["PATH"]}
QUICK = Patience(term_s=0.3, kill_s=3.0)


def alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody has waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for what another process does, which nobody tells this one."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.005)


async def gone(pid: int) -> None:
    await until(lambda: not alive(pid))


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


async def test_it_runs_to_its_end() -> None:
    finished = await run(shell("echo out; echo err >&2; exit 3"), ENV, within_s=10)
    assert (finished.code, finished.out) == (3, "out\n")
    assert sorted(finished.tail) == ["err", "out"]


async def test_a_program_that_cannot_be_run_ends_with_127() -> None:
    assert (await run(("/nowhere/ngrok",), ENV, within_s=10)).code == 127


async def test_what_takes_too_long_is_ended() -> None:
    finished = await run(
        shell("trap '' TERM; echo begun; while :; do sleep 1; done"),
        ENV,
        within_s=0.3,
        patience=QUICK,
    )
    assert finished.code is None
    assert finished.out == "begun\n"


async def test_what_has_said_enough_is_not_waited_for() -> None:
    async with asyncio.timeout(10):
        finished = await run(
            shell("echo wait; echo visit https://x; sleep 600"),
            ENV,
            within_s=600,
            enough=lambda line: "https://" in line,
            patience=QUICK,
        )
    assert finished.code is None
    assert "visit" in finished.out


async def test_output_is_bounded_and_secrets_are_kept_out_of_the_tail() -> None:
    script = "yes key-1234 | head -c 3000000"
    finished = await run(shell(script), ENV, within_s=20, redact=Redaction(["key-1234"]))
    assert finished.code == 0
    assert len(finished.out) == MAX_OUTPUT_BYTES
    assert len(finished.tail) == TAIL_LINES
    assert set(finished.tail[:-1]) == {REDACTED}


async def test_stop_gives_time_to_end_well(tmp_path: Path) -> None:
    said: list[str] = []
    done = tmp_path / "done"
    script = f"trap 'touch {done}; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    child = await Child.start(shell(script), ENV, patience=Patience(10.0, 1.0))
    following = asyncio.get_running_loop().create_task(child.follow(said.append))
    async with asyncio.timeout(10):
        await until(lambda: bool(said))
        await child.stop()
        assert await following == 0
    assert done.exists()


async def test_stop_ends_what_ignores_it_and_all_that_it_started() -> None:
    said: list[str] = []
    script = "trap '' TERM; (trap '' TERM; sleep 600) & echo $$ $!; while :; do sleep 1; done"
    child = await Child.start(shell(script), ENV, patience=QUICK)
    following = asyncio.get_running_loop().create_task(child.follow(said.append))
    async with asyncio.timeout(10):
        await until(lambda: bool(said))
        await child.stop()
        await following
    for pid in map(int, said[0].split()):
        await gone(pid)


async def test_what_an_ended_program_has_left_running_goes_too() -> None:
    said: list[str] = []
    child = await Child.start(shell("sleep 600 & echo $!; exit 5"), ENV, patience=QUICK)
    async with asyncio.timeout(10):
        following = asyncio.get_running_loop().create_task(child.follow(said.append))
        await until(lambda: bool(said))
        await gone(child.pid)
        await child.stop()
        assert await following == 5
    await gone(int(said[0]))


async def test_a_killed_gateway_takes_its_children_with_it(tmp_path: Path) -> None:
    """SIGKILL leaves no time for anything; a tunnel that lived on would keep its domain."""
    note = tmp_path / "pid"
    source = f"""
import asyncio
from openclaw_voice_call.exposure.process import Child
async def main():
    command = "echo $$ > {note}.new && mv {note}.new {note} && sleep 600"
    child = await Child.start(("sh", "-c", command), {ENV!r})
    await child.follow()
asyncio.run(main())
"""
    gateway = await asyncio.create_subprocess_exec(sys.executable, "-c", source)
    try:
        await until(note.exists, within_s=20)
        pid = int(note.read_text("ascii"))
        assert alive(pid)
    finally:
        gateway.send_signal(signal.SIGKILL)
        await gateway.wait()
    await gone(pid)


def test_children_get_nothing_that_they_do_not_need() -> None:
    environ = {"PATH": "/bin", "HOME": "/h", "TWILIO_AUTH_TOKEN": "t", "OPENAI_API_KEY": "k"}
    assert child_env(environ, NGROK_AUTHTOKEN="n") == {
        "PATH": "/bin",
        "HOME": "/h",
        "NGROK_AUTHTOKEN": "n",
    }


def test_programs_are_found_on_the_path_that_is_given(tmp_path: Path) -> None:
    program = tmp_path / "tunnel"
    program.write_text("#!/bin/sh\n")
    assert find_program("tunnel", {"PATH": str(tmp_path)}) is None, "not executable"
    program.chmod(0o755)
    assert find_program("tunnel", {"PATH": str(tmp_path)}) == str(program)
    assert find_program("tunnel", {"PATH": "/nowhere"}, str(program)) == str(program)
    assert find_program("tunnel", {"PATH": "/nowhere"}) is None


def test_delays_grow_up_to_a_limit() -> None:
    delay = delays(1.0, 60.0)
    assert [delay(attempt) for attempt in (1, 2, 3, 6, 7, 8, 100_000)] == [1, 2, 4, 32, 60, 60, 60]
