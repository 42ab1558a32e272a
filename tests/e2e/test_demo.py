"""`make demo`, as somebody sees it who has just cloned this: with a voice, and without espeak."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from examples.demo import account
from examples.demo.people import BOB_SAYS, OPENING
from openclaw_voice_call.audio import mulaw, tone_code, wav
from openclaw_voice_call.carriers.mock.voice import espeak_program

ROOT = Path(__file__).parents[2]
NOT_REACHED = "midnight"
"""In the sentence after the one that Bob interrupts."""

pytestmark = pytest.mark.timeout(120)


def run_demo(folder: Path, **environ: str) -> str:
    """What it prints; its files are in the folder."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def check(folder: Path, printed: str) -> account.Legs:
    """What holds with any voice."""
    for text in (OPENING, *BOB_SAYS, "At the Harbour Grill.", "Yes, right behind the house."):
        assert text in printed
    assert "is withheld" in printed
    assert printed.count("after the last sound\n") == len(BOB_SAYS)
    assert "It has" in printed
    assert NOT_REACHED not in printed
    assert "over: hangup-user" in printed
    out = folder / "build" / "demo"
    assert {each.name for each in out.iterdir()} == {"call.wav", "call.svg"}
    picture = ElementTree.fromstring((out / "call.svg").read_text())  # noqa: S314 - it is ours
    assert "interrupted:" in "".join(picture.itertext())
    legs = account.legs((out / "call.wav").read_bytes())
    # Both speak at a telephone's level, nothing is clipped, and most of the time one is silent.
    for leg in (legs.caller, legs.agent):
        loud = [dbfs for dbfs in leg if dbfs > account.LOUD_DBFS]
        assert -30 < float(np.mean(loud)) < -8
        assert max(leg) < -3
    both = [a > account.LOUD_DBFS < b for a, b in zip(legs.caller, legs.agent, strict=True)]
    assert sum(both) * account.FRAME_S < 0.6
    return legs


@pytest.mark.skipif(espeak_program() is None, reason="espeak is not installed")
def test_it_speaks(tmp_path: Path) -> None:
    printed = run_demo(tmp_path)
    check(tmp_path, printed)
    assert "both voices (espeak)" in printed


def test_without_espeak_its_words_are_on_the_line_as_tones(tmp_path: Path) -> None:
    printed = run_demo(tmp_path, PATH=str(tmp_path))
    check(tmp_path, printed)
    assert "espeak-ng is not installed" in printed
    recording = (tmp_path / "build" / "demo" / "call.wav").read_bytes()
    left, right = wav.separate(wav.WavReader().feed(recording))
    assert tone_code.decode(mulaw.encode(left)) == " ".join(BOB_SAYS)
    ours = tone_code.decode(mulaw.encode(right))
    assert ours.startswith(f"{OPENING} At the Harbour Grill. It has")
    assert ours.endswith("Yes, right behind the house. See you at nine. Good bye!")
    assert "count." not in ours
    assert NOT_REACHED not in ours
