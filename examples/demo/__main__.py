"""Four phone calls without an account: a gateway with the mock carrier, driven as a user would.

Run it with `make demo`. Three short calls come first; the fourth has live audio, and what was on
its line is left behind as a recording and as a picture. Nothing else is left, nor left running.
"""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from examples.demo import account
from examples.demo.gateway import Gateway, await_event, free_port, relayed
from examples.demo.people import ANN, BOB, BOB_SAYS, GUS, OPENING, configuration
from examples.demo.picture import call_svg
from examples.demo.recogniser import recogniser
from examples.demo.transcript import transcript
from openclaw_voice_call.call.facts import StoredFact
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.carriers.mock.voice import espeak, espeak_program
from openclaw_voice_call.store.reader import open_reader

OUTPUT: Final = Path("build") / "demo"
TAIL_DELAY_S: Final = 0.25
"""`voicecall tail` looks this often at most; a heading waits until it has caught up."""
SWITCH: Final = "plugins.entries.voice-call.config.streaming.enabled"
CALL_S: Final = 40.0
DULL: Final = ("is saying", "ending as", "request", "the agent", "took the order", "saying (")
BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")

SPOKEN: Final = (
    "Real: gateway, journal, media socket, pacing, turn-taking, both voices (espeak), and the "
    "recognition, which knows Bob's sentences by their sound only. Scripted: Bob and the model."
)
TONES: Final = (
    "Real: gateway, journal, media socket, pacing, turn-taking, and the recognition of the tones "
    "that carry the words, because espeak-ng is not installed. Scripted: Bob and the model."
)


@dataclass(frozen=True, slots=True)
class Sound:
    """What the people sound like here, and who understands them."""

    note: str
    recogniser: AbstractContextManager[str | None]


def sound() -> Sound:
    program = espeak_program()
    if program is None:
        return Sound(TONES, nullcontext(None))
    voice = espeak(program)
    return Sound(SPOKEN, recogniser({text: voice(text) for text in BOB_SAYS}))


def short_calls(gateway: Gateway) -> None:
    step("1. A notice: say it, make sure that it was played, hang up")
    with gateway.client() as events:
        typed(
            gateway, "call", "-t", ANN, "--mode", "notify", "-m", "Your parcel is here.", "--wait"
        )
        step("2. Ann calls back. Her number is on the allowlist, so the agent answers")
        await_event(events, "voicecall.call", direction="inbound", live=False)
    step("3. Somebody calls with a withheld number. Nobody answers, and it costs nothing")
    with gateway.client() as events:
        typed(gateway, "call", "-t", GUS, "--mode", "notify", "-m", "Hello?", "--wait")
        refused = await_event(events, "voicecall.refused")
        time.sleep(TAIL_DELAY_S)
        say(f"{BOLD}  -> refused: {refused['reason']}{RESET}")


def live_call(gateway: Gateway, note: str) -> None:
    step("4. Live audio, switched on without a restart: Bob talks, and interrupts once")
    for line in textwrap.wrap(note, 96):
        say(f"{DIM}  {line}{RESET}")
    say(f"{BOLD}$ openclaw config set {SWITCH} true{RESET}")
    gateway.change(SWITCH, "true")
    with transcript(gateway.journal, "Bob", spoken):
        placed = typed(gateway, "call", "-t", BOB, "-m", OPENING, "--record")
        call = CallId(str(placed["callId"]))
        with gateway.client() as client:
            wait = {"callId": call, "timeoutMs": round(CALL_S * 1000)}
            client.call("voicecall.wait", wait, timeout=CALL_S + 5)
        time.sleep(TAIL_DELAY_S)
    with open_reader(gateway.journal) as journal:
        facts = journal.facts(call)
    step("How fast each answer was, in ms after the last sound of Bob's")
    for line in account.table(facts):
        say(f"  {line}")
    keep(gateway, call, facts, note)


def keep(gateway: Gateway, call: CallId, facts: Sequence[StoredFact], note: str) -> None:
    """Leave the recording and the picture behind."""
    recording = (gateway.journal.parent / "recordings" / f"{call}.wav").read_bytes()
    recorded = account.legs(recording)
    drawn = account.picture(
        facts,
        recorded,
        title="Bob is asked to dinner",
        subtitle="A call through the mock carrier with live audio: each 20 ms of sound, both ways",
        note=note,
        caller="Bob",
    )
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "call.wav").write_bytes(recording)
    (OUTPUT / "call.svg").write_text(call_svg(drawn), encoding="utf-8")
    for cut in drawn.interruptions:
        say(f"  When Bob interrupted, the agent was silent {cut.lasted_ms} ms after he began.")
    step("To listen to and to look at")
    say(f"  {OUTPUT / 'call.wav'}   both ways in stereo: Bob on the left, the agent on the right")
    say(f"  {OUTPUT / 'call.svg'}   the same call drawn; open it in a browser")


def typed(gateway: Gateway, *words: str) -> dict[str, object]:
    """Run `openclaw voicecall ...`, and show it as it is typed."""
    line = " ".join(f'"{word}"' if " " in word or "?" in word else word for word in words)
    say(f"{BOLD}$ openclaw voicecall {line}{RESET}")
    return cast("dict[str, object]", json.loads(gateway.run("voicecall", *words)))


def spoken(line: str, *, aside: bool) -> None:
    say(f"{DIM}  {line}{RESET}" if aside else f"  {line}")


def step(title: str) -> None:
    time.sleep(TAIL_DELAY_S)
    say(f"\n{BOLD}{title}{RESET}")


def say(text: str) -> None:
    print(text, flush=True)


def show_line(line: str) -> None:
    """Of `voicecall tail`, what a listener would care for."""
    if not any(dull in line for dull in DULL):
        say(f"{DIM}  {line[11:]}{RESET}")


def main() -> None:
    began = time.monotonic()
    heard = sound()
    with tempfile.TemporaryDirectory(prefix="openclaw-demo-") as folder, heard.recogniser as url:
        gateway = Gateway(Path(folder))
        with gateway.running(configuration(gateway.port, free_port(), url)):
            say(f"gateway ready after {time.monotonic() - began:.1f} s, state in a scratch folder")
            with relayed(gateway.tail(), show_line):
                short_calls(gateway)
            live_call(gateway, heard.note)
            step("What the gateway knows now")
            say(f"{BOLD}$ openclaw voicecall status{RESET}")
            say(gateway.run("voicecall", "status").rstrip())
    say(f"\nDone in {time.monotonic() - began:.1f} s. Nothing is left running.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("stopped; nothing is left running") from None
