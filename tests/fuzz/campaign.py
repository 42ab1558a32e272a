"""Running one target for a while."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.mutate import mutated

SLOW_S: Final = 2.0
"""CPU seconds for one input of at most 64 KB. What takes longer would hold up all calls."""
KEPT: Final = 64
"""Mutants that were understood and are mutated further, beside the examples."""


@dataclass(frozen=True)
class Target:
    """A parser. `read` raises one of `documented` for what it does not take."""

    name: str
    examples: Sequence[bytes]
    read: Callable[[bytes], object]
    documented: tuple[type[Exception], ...] = ()


@dataclass
class Tally:
    """What became of the inputs."""

    inputs: int = 0
    refused: dict[str, int] = field(default_factory=dict[str, int])

    def __str__(self) -> str:
        refused = sum(self.refused.values())
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.refused.items()))
        return f"{self.inputs} inputs, {self.inputs - refused} values" + (
            f", {kinds}" if kinds else ""
        )


class Broken(Exception):
    """The rule was broken; the text tells how, `data` is the input."""

    def __init__(self, target: str, why: str, data: bytes) -> None:
        super().__init__(f"{target}: {why}")
        self.target = target
        self.data = data

    def save(self, folder: Path) -> Path:
        """Write the input into a file of its own."""
        name = f"{self.target.replace(':', '-')}-{sha256(self.data).hexdigest()[:12]}.bin"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(self.data)
        return folder / name


def judge(target: Target, data: bytes) -> str | None:
    """None for a value, the error's name for a documented refusal. Raises Broken."""
    began = time.process_time()
    refusal = None
    try:
        target.read(data)
    except target.documented as error:
        refusal = type(error).__name__
    except (Exception, RecursionError) as error:
        raise Broken(target.name, _last_lines(error), data) from error
    took = time.process_time() - began
    if took > SLOW_S:
        raise Broken(target.name, f"took {took:.1f} s of CPU for {len(data)} bytes", data)
    return refusal


def run(target: Target, seconds: float, seed: int) -> Tally:
    """Feed the target until the time is over: its examples first, as they are, which must all be
    taken. Raises Broken."""
    rng = Random(f"{seed} {target.name}")
    tally = Tally()
    until = time.monotonic() + seconds
    for example in target.examples:
        judge(target, example)
    pool = list(target.examples)
    while time.monotonic() < until:
        data = mutated(rng.choice(pool), target.examples, rng)
        if rng.random() < 0.01:
            data = rng.randbytes(rng.randint(0, 300))
        refusal = judge(target, data)
        tally.inputs += 1
        if refusal is not None:
            tally.refused[refusal] = tally.refused.get(refusal, 0) + 1
        elif rng.random() < 0.05:
            # What was understood leads further than what was refused at the first byte.
            if len(pool) < len(target.examples) + KEPT:
                pool.append(data)
            else:
                pool[rng.randrange(len(target.examples), len(pool))] = data
    return tally


def _last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-8:]).strip()
