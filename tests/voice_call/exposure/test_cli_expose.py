"""`openclaw voicecall expose`, as its owner runs it: a process, the fake tailscale on PATH."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.voice_call.exposure.fakes import FakePrograms

OPENCLAW = Path(sys.executable).with_name("openclaw")
PLACE = "box.tail1234.ts.net:443"
LOCAL = "http://127.0.0.1:3334"
BOTH = {"/voice/webhook": f"{LOCAL}/voice/webhook", "/voice/stream": f"{LOCAL}/voice/stream"}
PUBLIC = {
    "localUrl": f"{LOCAL}/voice/webhook",
    "publicUrl": "https://box.tail1234.ts.net/voice/webhook",
    "streamUrl": "wss://box.tail1234.ts.net/voice/stream",
}


@dataclass(frozen=True)
class Shell:
    """Where the command is run."""

    programs: FakePrograms
    home: Path

    def configure(self, **section: object) -> None:
        entries = {"voice-call": {"enabled": True, "config": section}}
        text = json.dumps({"plugins": {"entries": entries}})
        (self.home / "openclaw.json").write_text(text, encoding="utf-8")

    async def expose(self, *args: str) -> tuple[int, str, str]:
        """Exit status, stdout, stderr."""
        environ = {
            "PATH": self.programs.path,
            "HOME": str(self.home),
            "OPENCLAW_STATE_DIR": str(self.home),
            "LANG": "C.UTF-8",
        }
        command = (OPENCLAW, "voicecall", "expose", *args)
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=PIPE, env=environ
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
def shell(programs: FakePrograms, tmp_path: Path) -> Shell:
    home = tmp_path / "home"
    home.mkdir()
    made = Shell(programs, home)
    made.configure()
    return made


def answer(out: str) -> dict[str, object]:
    """All of stdout, which must be one JSON object, indented by two spaces."""
    found = cast("dict[str, object]", json.loads(out))
    assert out == json.dumps(found, indent=2) + "\n"
    return found


@pytest.mark.scenario("F85")
async def test_webhook_and_stream_are_exposed_and_withdrawn(shell: Shell) -> None:
    shell.programs.tailscale()
    code, out, err = await shell.expose()
    assert (code, answer(out)) == (
        0,
        {"ok": True, "mode": "funnel", "path": "/voice/webhook", **PUBLIC},
    )
    url = "https://box.tail1234.ts.net/voice/webhook"
    assert f"openclaw config set plugins.entries.voice-call.config.publicUrl {url}" in err
    assert shell.programs.routes == {PLACE: BOTH}
    assert shell.programs.funnel == {PLACE: True}

    code, out, err = await shell.expose("--mode", "off", "--json")
    assert (code, answer(out)) == (0, {"ok": True, "mode": "off", "path": "/voice/webhook"})
    assert shell.programs.routes == {}
    assert shell.programs.funnel == {}

    code, out, _ = await shell.expose("--mode", "off")
    assert code == 0, "what is not there is withdrawn already"


async def test_serve_with_other_paths_and_another_port(shell: Shell) -> None:
    shell.configure(publicUrl="https://box.tail1234.ts.net/out")
    shell.programs.tailscale()
    arguments = ("--mode", "serve", "--path", "/out", "--port", "4455", "--serve-path", "/in")
    code, out, err = await shell.expose(*arguments)
    assert code == 0
    assert answer(out)["localUrl"] == "http://127.0.0.1:4455/in"
    assert answer(out)["publicUrl"] == "https://box.tail1234.ts.net/out"
    assert shell.programs.funnel == {}
    assert shell.programs.routes == {
        PLACE: {
            "/out": "http://127.0.0.1:4455/in",
            "/voice/stream": "http://127.0.0.1:4455/voice/stream",
        }
    }
    assert err == "warning: only your tailnet reaches serve; carriers need --mode funnel\n"


async def test_a_refused_funnel_shows_where_to_allow_it(shell: Shell) -> None:
    shell.programs.tailscale(not_enabled="funnel", waits_for_enable=True)
    code, out, err = await shell.expose("--mode", "funnel")
    assert code == 1
    shown = answer(out)
    assert (shown["ok"], shown["publicUrl"]) == (False, None)
    hint = cast("dict[str, str]", shown["hint"])
    assert hint["enableUrl"] == "https://login.tailscale.com/f/funnel?node=nTest1CNTRL"
    assert "error: tailscale: `tailscale funnel` is not allowed on this tailnet" in err
    assert shell.programs.routes == {}


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "the tailscale command is not installed, or not on PATH (exposure_failed)"),
        ({"backend": "NeedsLogin"}, "sign in with: tailscale up"),
        ({"down": True}, "systemctl start tailscaled"),
        ({"status_text": "oops"}, "printed something else"),
        ({"denied": True}, "tailscale set --operator"),
    ],
)
async def test_what_goes_wrong_is_told_and_ends_in_status_1(
    shell: Shell, state: dict[str, object] | None, text: str
) -> None:
    if state is not None:
        shell.programs.tailscale(**state)
    code, _, err = await shell.expose("--mode", "serve")
    assert code == 1
    assert "error: tailscale: " in err
    assert text in err
    assert "Traceback" not in err


async def test_unsigned_webhooks_in_public_are_warned_about_here_too(shell: Shell) -> None:
    shell.configure(provider="mock", skipSignatureVerification=True)
    shell.programs.tailscale()
    _, _, err = await shell.expose()
    assert "warning: DANGER: skipSignatureVerification is on" in err


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ({"tailscale": {"mode": "funnel"}}, "tailscale.mode off"),
        ({"tunnel": {"provider": "tailscale-serve"}}, "tunnel.provider none"),
    ],
)
async def test_withdrawing_what_the_gateway_keeps_open_is_warned_about(
    shell: Shell, section: dict[str, object], setting: str
) -> None:
    shell.configure(**section)
    shell.programs.tailscale()
    code, _, err = await shell.expose("--mode", "off")
    assert code == 0
    assert "a running gateway opens it again" in err
    assert f"openclaw config set plugins.entries.voice-call.config.{setting}\n" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--path", "voice"), "must begin with /"),
        (("--mode", "public"), "'public' is not one of"),
        (("--port", "0"), "0 is not in the range"),
    ],
)
async def test_wrong_arguments(shell: Shell, arguments: tuple[str, ...], text: str) -> None:
    shell.programs.tailscale()
    code, out, err = await shell.expose(*arguments)
    assert code == 1
    assert text in err
    assert out == ""
    assert shell.programs.commands == []


async def test_a_section_with_mistakes_is_refused(shell: Shell) -> None:
    shell.configure(serve={"port": "3334"})
    code, _, err = await shell.expose()
    assert code == 1
    assert "serve.port: expected integer, received string" in err
