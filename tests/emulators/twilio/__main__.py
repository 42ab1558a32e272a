"""A Twilio to drive a gateway by hand: `python -m tests.emulators.twilio --script people.json`.

The script names our numbers, the people whom the gateway may call, and those who call in:

    {"numbers": {"+15550001234": {"voice_url": "https://voice.example.com/voice/webhook"}},
     "people": {"+15550005678": {"says": ["Hello?", null, {"speech": "Bye", "after": 1}]}},
     "calls_in": [{"from": "+15550005678", "to": "+15550001234", "after": 2,
                   "person": {"says": ["I have a question"]}}]}

What happens on the lines is printed until the program is interrupted.
"""

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Literal

import msgspec

from tests.emulators.people import HangsUp, Person, Reply
from tests.emulators.twilio.emulator import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    Number,
    Settings,
    TwilioEmulator,
)
from tests.emulators.twilio.exchange import Event


class PersonScript(msgspec.Struct, forbid_unknown_fields=True):
    """A `Person`, as JSON."""

    says: list[Reply | str | None] = []
    answers_after: float | None = 1.0
    outcome: Literal["answers", "busy", "declines", "failed"] = "answers"
    hangs_up: HangsUp | None = None
    machine: bool = False

    def person(self) -> Person:
        return Person(
            self.says,
            answers_after=self.answers_after,
            outcome=self.outcome,
            hangs_up=self.hangs_up,
            machine=self.machine,
        )


class CallIn(msgspec.Struct, forbid_unknown_fields=True):
    """A call to one of our numbers, `after` real seconds."""

    to: str
    from_: str | None = msgspec.field(name="from")
    after: float = 0.0
    person: PersonScript = msgspec.field(default_factory=PersonScript)


class Script(msgspec.Struct, forbid_unknown_fields=True):
    numbers: dict[str, Number] = {}
    people: dict[str, PersonScript] = {}
    calls_in: list[CallIn] = []


def _show(event: Event) -> None:
    _print(f"{event.at:9.2f}  {event.call_sid[-6:]}  {event.what:12} {event.detail}")


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a program for people who watch


async def _run(settings: Settings, script: Script) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with TwilioEmulator.start(settings) as twilio:
        _print(f"Twilio emulator at {twilio.base_url}")
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(_call_in(twilio, call)) for call in script.calls_in]
            await stop.wait()
            for call in calls:
                call.cancel()


async def _call_in(twilio: TwilioEmulator, call: CallIn) -> None:
    await asyncio.sleep(call.after)
    twilio.call_in(call.from_, call.to, call.person.person())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.twilio", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--script", type=Path, help="numbers, people and calls (JSON)")
    parser.add_argument("--port", type=int, default=0, help="of the REST API (default: a free one)")
    parser.add_argument("--speed", type=float, default=1.0, help="carrier seconds per second")
    parser.add_argument("--account-sid", default=os.environ.get("TWILIO_ACCOUNT_SID", ACCOUNT_SID))
    parser.add_argument(
        "--origin", action="append", default=[], metavar="PUBLIC=LOCAL",
        help="reach this public URL prefix at a local one; may be repeated",
    )  # fmt: skip
    options = parser.parse_args()
    script = Script()
    if options.script is not None:
        script = msgspec.json.decode(options.script.read_bytes(), type=Script)
    settings = Settings(
        numbers=script.numbers,
        people={number: person.person() for number, person in script.people.items()},
        origins=dict(origin.split("=", 1) for origin in options.origin),
        account_sid=options.account_sid,
        auth_token=os.environ.get("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        speed=options.speed,
        port=options.port,
        on_event=_show,
    )
    asyncio.run(_run(settings, script))


if __name__ == "__main__":
    main()
