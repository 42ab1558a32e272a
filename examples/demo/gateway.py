"""Four phone calls without an account: a gateway with the mock carrier, driven as a user would.

Run it with `make demo`. It starts a gateway in a scratch folder, shows each command that it types,
and prints what happens on the line meanwhile. Nothing is left running.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from openclaw.rpc.client import GatewayClient

ANN, BOB, GUS = "+15550002001", "+15550002002", "+15550002003"
READY_WITHIN_S = 15.0
TAIL_DELAY_S = 0.25
"""`voicecall tail` looks this often at most; a heading waits until it has caught up."""
DULL = ("is saying", "ending as", "request", "the agent", "took the order")
BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")

PEOPLE = [
    {
        # Gets a notice, and calls back: her number may call.
        "number": ANN,
        "says": ["Hi, it is Ann. Thanks for the parcel! Can you tell Tom?", "Great, bye!"],
        "hangUpAfter": 2,
        "callsBackAfterMs": 1500,
    },
    {
        "number": BOB,
        "says": [
            "We are four.",
            "Which place?",
            "By the window, please.",
            "Bye!",
        ],
        "hangUpAfter": 4,
    },
    {
        # Calls back with a withheld number, which nobody on the allowlist can have.
        "number": GUS,
        "hangUpAfter": 0,
        "callsBackAfterMs": 500,
        "callsBackFrom": "anonymous",
    },
]
ANSWERS = [
    {"match": "Which place", "reply": "The little one at the harbour. I will reserve a table."},
    {"match": "window", "reply": "A table by the window, noted. See you at nine!"},
    {"match": "tell Tom", "reply": "Of course, I will let Tom know."},
    {"match": "[Bb]ye", "reply": "Good bye!"},
]


def configuration(port: int, webhook_port: int) -> dict[str, object]:
    """A complete configuration: mock carrier, an agent with fixed answers."""
    return {
        "gateway": {"port": port},
        "models": {"providers": {"scripted": {"rules": ANSWERS, "default": "I see."}}},
        "plugins": {
            "entries": {
                "voice-call": {
                    "enabled": True,
                    "config": {
                        "provider": "mock",
                        "serve": {"port": webhook_port},
                        "responseModel": "scripted/demo",
                        "inboundPolicy": "allowlist",
                        "allowFrom": [ANN],
                        "inboundGreeting": "Hello Ann, what can I do for you?",
                        "maxConcurrentCalls": 2,
                        "outbound": {"notifyHangupDelaySec": 1},
                        "mock": {"speed": 4, "script": PEOPLE},
                    },
                }
            }
        },
    }


class Gateway:
    """The gateway process and the command line that talks to it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        config = folder / "openclaw.json"
        config.write_text(json.dumps(configuration(self.port, free_port()), indent=2))
        self.env = {**os.environ, "OPENCLAW_STATE_DIR": str(folder), "NO_COLOR": "1"}
        for name in ("OPENCLAW_CONFIG_PATH", "OPENCLAW_GATEWAY_PORT", "OPENCLAW_GATEWAY_TOKEN"):
            self.env.pop(name, None)
        self.token_file = folder / "gateway-token"
        self.log = folder / "gateway.out"

    @contextmanager
    def running(self) -> Generator[None]:
        with self.log.open("wb") as out:
            process = subprocess.Popen(
                self._command("gateway", "run"), env=self.env, stdout=out, stderr=out
            )
        try:
            self._await_ready(process)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()

    def run(self, *words: str, shown: bool = True) -> Mapping[str, object]:
        """A command as a user types it; its JSON answer."""
        if shown:
            say(f"{BOLD}$ openclaw {' '.join(quoted(word) for word in words)}{RESET}")
        done = subprocess.run(
            self._command(*words),
            check=False,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise SystemExit(f"openclaw {words[0]} failed: {done.stderr}")
        return json.loads(done.stdout)

    def show(self, *words: str) -> None:
        """A command whose answer is shown as it is."""
        say(f"{BOLD}$ openclaw {' '.join(words)}{RESET}")
        subprocess.run(self._command(*words), env=self.env, check=True, timeout=60)

    @contextmanager
    def watched(self) -> Generator[None]:
        """Shows what happens on all calls, as `openclaw voicecall tail` tells it."""
        tail = subprocess.Popen(
            self._command("voicecall", "tail", "--since", "0", "--poll", "50"),
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        reader = threading.Thread(target=relay, args=(tail,), daemon=True)
        reader.start()
        try:
            yield
        finally:
            tail.terminate()
            tail.wait(timeout=10)
            reader.join(timeout=5)

    def client(self) -> GatewayClient:
        token = self.token_file.read_text().strip()
        return GatewayClient.connect(f"ws://127.0.0.1:{self.port}", token=token, timeout=10)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "openclaw", *words]

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + READY_WITHIN_S
        while "Runtime initialized" not in self.log.read_text():
            if process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"the gateway did not start:\n{self.log.read_text()}")
            time.sleep(0.05)


def relay(tail: subprocess.Popen[str]) -> None:
    """Print the lines of `voicecall tail` that a listener would care for."""
    assert tail.stdout is not None
    for line in tail.stdout:
        if not any(dull in line for dull in DULL):
            say(f"{DIM}  {line.rstrip()[11:]}{RESET}")


def await_event(client: GatewayClient, event: str, **wanted: object) -> dict[str, object]:
    """Wait for an event of the gateway, for example the end of an inbound call."""
    for message in client.events(timeout=20):
        if message.event == event and isinstance(message.payload, dict):
            payload = cast("dict[str, object]", message.payload)
            if all(payload.get(key) == value for key, value in wanted.items()):
                return payload
    raise SystemExit(f"no {event} came")


def demo(gateway: Gateway) -> None:
    step("1. A notice: say it, make sure that it was played, hang up")
    with gateway.client() as events:
        notice = ("-t", ANN, "--mode", "notify", "-m", "Your parcel is at the door.", "--wait")
        gateway.run("voicecall", "call", *notice)
        step("2. Ann calls back. Her number is on the allowlist, so the agent answers")
        await_event(events, "voicecall.call", direction="inbound", live=False)

    step("3. A conversation: our question, then the agent goes on by itself")
    placed = gateway.run("voicecall", "call", "-t", BOB, "-m", "Dinner at nine?")
    call_id = str(placed["callId"])
    first = gateway.run("voicecall", "continue", "--call-id", call_id, "--message", "For how many?")
    say(f'{BOLD}  -> "{first["transcript"]}"{RESET}')
    with gateway.client() as client:
        client.call("voicecall.wait", {"callId": call_id, "timeoutMs": 20_000}, timeout=30)

    step("4. Somebody calls with a withheld number. Nobody answers, and it costs nothing")
    with gateway.client() as events:
        gateway.run("voicecall", "call", "-t", GUS, "--mode", "notify", "-m", "Hello?", "--wait")
        refused = await_event(events, "voicecall.refused")
        time.sleep(TAIL_DELAY_S)
        say(f"{BOLD}  -> refused: {refused['reason']}{RESET}")

    step("What the gateway knows now")
    gateway.show("voicecall", "status")
    gateway.show("voicecall", "latency")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quoted(word: str) -> str:
    return f'"{word}"' if " " in word or "?" in word else word


def step(title: str) -> None:
    time.sleep(TAIL_DELAY_S)
    say(f"\n{BOLD}{title}{RESET}")


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="openclaw-demo-") as folder:
        gateway = Gateway(Path(folder))
        with gateway.running(), gateway.watched():
            say(f"gateway ready after {time.monotonic() - began:.1f} s, state in a scratch folder")
            demo(gateway)
    say(f"\nDone in {time.monotonic() - began:.1f} s. Nothing is left running.")


if __name__ == "__main__":
    main()
