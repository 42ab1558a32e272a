"""What callers notice of a gateway that is killed and started again in the middle of their calls.

Twenty people on Twilio's media streams are told something, wait for the agent, speak, or are
silent when the process gets SIGKILL. The emulated Twilio does what Twilio does: it goes on in its
document, and tries again what cannot be delivered. How long an answer takes afterwards stands
beside how long it took before, in the same calls. Started as `python -m benchmarks.restart`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Final

import msgspec

from benchmarks.grid import grid, machine
from benchmarks.process import scratch, without_uvloop
from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from tests.e2e.crowd import OPEN_LINE, SCRIPT, STORY, Crowd
from tests.e2e.live import END_SILENCE_S, LivePhone, live_phone
from tests.emulators.people import Person

HEAD: Final = ("SIGKILL with 20 live calls", "median", "slowest")
RETRY_S: Final = 0.5
"""So long the company waits before it tries again. What real ones wait is not documented."""


class Restart(msgspec.Struct, frozen=True):
    """Seconds, one for each call they concern."""

    calls: int
    kept: int
    """Calls that went on, with every word said and heard once."""
    ready_s: float
    """From the kill until the new process is ready."""
    back_s: Sequence[float]
    """From the kill until the stream is open again."""
    resumed_s: Sequence[float]
    """From the kill until what was cut off is being said again."""
    before_s: Sequence[float]
    """From the end of somebody's turn, its silence included, to the answer's first audio."""
    after_s: Sequence[float]
    """The same after the restart."""


async def measure(folder: Path) -> Restart:
    crowd = Crowd()
    async with live_phone(
        "twilio", folder, crowd.callees, script=SCRIPT, config=OPEN_LINE, retry_gap=RETRY_S
    ) as phone:
        await crowd.join(phone)
        before = await _answers(phone, crowd.all, "one")
        await crowd.begin(phone)
        clock = phone.company.media.clock
        killed, began = clock.now(), monotonic()
        await phone.gateway.kill()
        await phone.gateway.start()
        ready_s = monotonic() - began
        streams = {id(person): await phone.stream(person, nth=2) for person in crowd.all}
        for person in crowd.told:
            await person.wait_heard(STORY)
        for person in crowd.waiting:
            await person.wait_heard("That was hard.")
        for person in crowd.all:
            await phone.listens(person)
        resumed = [streams[id(person)].out.arrivals[0].at - killed for person in crowd.told]
        after = await _answers(phone, crowd.all, "two")
        kept = [await _is_whole(phone, crowd, person) for person in crowd.all]
        return Restart(
            calls=len(crowd.all),
            kept=sum(kept),
            ready_s=ready_s,
            back_s=[(each.started_at or 0.0) - killed for each in streams.values()],
            resumed_s=resumed,
            before_s=before,
            after_s=after,
        )


async def _answers(phone: LivePhone, people: Sequence[Person], words: str) -> Sequence[float]:
    """Everybody asks at the same time; how long each waits for the first sound of the answer."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(_answer(phone, person, words)) for person in people]
    return [each.result() for each in waits]


async def _answer(phone: LivePhone, person: Person, words: str) -> float:
    stream = phone.company.media.of(phone.leg(person))[-1]
    sounds, known = len(stream.onsets), len(stream.out.arrivals)
    person.speak(words)
    await person.wait_heard(f"To {words}.")
    await phone.listens(person)
    spoken_s = len(tone_code.encode(words)) / BYTES_PER_MS / 1000
    return stream.out.arrivals[known].at - stream.onsets[sounds] - spoken_s


async def _is_whole(phone: LivePhone, crowd: Crowd, person: Person) -> bool:
    view = await phone.record(person)
    answers = {"story": STORY, "think": "That was hard.", "one": "To one.", "two": "To two."}
    said = ["one", *crowd.asked_before(person), "two"]
    heard = ["Welcome.", *(answers[text] for text in said)]
    return view.texts("user") == said and view.texts("bot") == person.texts() == heard


def rows(measured: Restart) -> Sequence[Sequence[str]]:
    whole = f"{measured.kept} of {measured.calls}"
    return [
        ("calls that went on, every word once", whole, ""),
        ("the new process is ready", f"{measured.ready_s:.2f} s", ""),
        ("streams are open again", *_both(measured.back_s)),
        ("what was cut off is said again", *_both(measured.resumed_s)),
        (f"answers before, {END_SILENCE_S} s of silence included", *_both(measured.before_s)),
        ("answers after", *_both(measured.after_s)),
    ]


def _both(seconds: Sequence[float]) -> tuple[str, str]:
    return f"{median(seconds):.2f} s", f"{max(seconds):.2f} s"


def main() -> None:
    with scratch() as folder, without_uvloop():
        measured = asyncio.run(measure(folder))
    print(machine(), end="\n\n")
    print("\n".join(grid(HEAD, rows(measured))))


if __name__ == "__main__":
    main()
