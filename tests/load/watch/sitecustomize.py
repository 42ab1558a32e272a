"""On PYTHONPATH of a program under test: tells on SIGUSR2 what lives inside it.

It writes a `tests.load.census.Inside` as JSON to the path in `OPENCLAW_CENSUS`.
"""

import asyncio
import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path

COUNTED = ("CallRunner",)


def _tell(*_: object) -> None:
    # What was frozen would not be looked at, and what replaces it would seem to be new.
    gc.unfreeze()
    gc.collect()
    objects = gc.get_objects()
    kinds = Counter(type(each).__name__ for each in objects)
    waiting = sum(type(each) is asyncio.Future and not each.done() for each in objects)
    census: dict[str, object] = {
        "tasks": sorted(task.get_name() for task in asyncio.all_tasks()),
        "waiters": waiting,
        "calls": sum(kinds[name] for name in COUNTED),
        "objects": len(objects),
    }
    # Whoever waits for the file finds it whole.
    path = Path(os.environ["OPENCLAW_CENSUS"])
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(census), "utf-8")
    fresh.replace(path)


if "OPENCLAW_CENSUS" in os.environ:
    signal.signal(signal.SIGUSR2, _tell)
