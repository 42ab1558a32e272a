"""`python -m tests.fuzz`; see the package."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.fuzz.campaign import Broken, Target, judge, run
from tests.fuzz.targets import all_targets

FINDINGS: Final = Path("fuzz-findings")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", help="names of targets (default: all)")
    parser.add_argument(
        "--seconds", type=float, default=float(os.environ.get("FUZZ_SECONDS", "60"))
    )
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--replay", type=Path, help="judge this input alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, all_targets(Path(scratch)) as targets:
        known = {target.name: target for target in targets}
        wanted: list[str] = options.targets or list(known)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            _say(f"no such target: {', '.join(unknown)} (there are: {', '.join(known)})")
            return 2
        _say(f"seed {options.seed}, {options.seconds:g} s")
        broken = 0
        for name in wanted:
            share = options.seconds / len(wanted)
            broken += not _fuzz(known[name], share, options.seed, options.replay)
    return 1 if broken else 0


def _fuzz(target: Target, seconds: float, seed: int, replay: Path | None) -> bool:
    """Whether the rule held."""
    try:
        if replay is not None:
            _say(f"{target.name}: {judge(target, replay.read_bytes()) or 'a value'}")
        else:
            _say(f"{target.name:16} {run(target, seconds, seed)}")
    except Broken as finding:
        file = finding.save(FINDINGS)
        _say(f"{finding}\n  input: {file}\n  again: python -m tests.fuzz {target.name} "
             f"--replay {file}")  # fmt: skip
        return False
    return True


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a program for people


if __name__ == "__main__":
    sys.exit(main())
