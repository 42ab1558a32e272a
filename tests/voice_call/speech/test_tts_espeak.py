"""The offline voice: the real program where there is one, and programs that misbehave."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.espeak.tts import PROGRAMS, EspeakSettings, EspeakVoice
from openclaw_voice_call.speech.spoken import Patience
from tests.voice_call.speech.voices import failure, plan, said

PROGRAM = next(filter(None, map(shutil.which, PROGRAMS)), None)
installed = pytest.mark.skipif(PROGRAM is None, reason="neither espeak-ng nor espeak is installed")


def voice(
    program: str | Path | None = PROGRAM,
    *,
    name: str | None = None,
    first_audio_s: float = 10.0,
    stall_s: float = 5.0,
) -> EspeakVoice:
    environ = {"PATH": os.environ["PATH"]}
    patience = Patience(first_audio_s, stall_s)
    return EspeakVoice(EspeakSettings(str(program), environ, patience, name))


def script(folder: Path, body: str) -> Path:
    """A program of this shell script."""
    path = folder / "espeak-fake"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def assert_gone(folder: Path) -> None:
    """There is no such process as the script has written down."""
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text("utf-8")), 0)


@installed
async def test_a_sentence_is_speech_of_its_length() -> None:
    spoken = await said(voice(), "The quick brown fox jumps over the lazy dog.")
    assert 1.5 < len(spoken) / 8000 < 5
    assert -30 < mulaw.level_dbfs(spoken) < -6


@installed
@pytest.mark.parametrize("language", ["en-US", "de-DE", "pt-BR", "zh-CN"])
async def test_it_speaks_the_language_of_the_call(language: str) -> None:
    assert len(await said(voice(), "Hallo Welt 42", language=language)) > 4000


@installed
@pytest.mark.parametrize("language", ["xx-XX", "--help", "../../etc/passwd", ""])
async def test_an_unknown_language_is_spoken_somehow(language: str) -> None:
    assert len(await said(voice(), "Hello", language=language)) > 2000


@installed
async def test_a_voice_that_is_not_installed_gives_nothing() -> None:
    assert (await failure(voice(name="nosuchvoice"))).vendor_code == "empty"


@installed
async def test_it_begins_long_before_a_long_text_is_complete() -> None:
    async with (
        asyncio.timeout(5),
        aclosing(voice().speak(SpeechOrder("A sentence of some words. " * 150))) as audio,
    ):
        first = await anext(audio)
    assert len(first) < 80_000


async def test_text_goes_through_stdin_and_means_nothing_but_itself(tmp_path: Path) -> None:
    program = script(
        tmp_path, f'echo "$@" > {tmp_path}/argv; env > {tmp_path}/env; cat > {tmp_path}/in'
    )
    text = "-v de; $(id) `id` [[h@l]]\x01 50p\nnext"
    assert (await failure(voice(program, name="en-us+f3"), text)).vendor_code == "empty"
    argv = (tmp_path / "argv").read_text("utf-8").split()
    assert argv == ["--stdin", "--stdout", "-b", "1", "-s", "165", "-v", "en-us+f3"]
    assert (tmp_path / "in").read_text("utf-8") == "-v de; $(id) `id` [ [h@l]]  50p next"


async def test_the_program_gets_no_key_of_ours(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "", "PATH": os.environ["PATH"], "OTHER": "x"}
    program = script(tmp_path, f"env > {tmp_path}/env")
    raw = {"provider": "espeak", "providers": {"espeak": {"program": "espeak-ng"}}}
    (maker,) = plan(raw, environ=environ, programs=["espeak-ng"]).makers
    assert isinstance(maker, EspeakSettings)
    settings = EspeakSettings(str(program), maker.environ, maker.patience, "en")
    assert (await failure(EspeakVoice(settings))).vendor_code == "empty"
    written = (tmp_path / "env").read_text("utf-8")
    assert "PATH=" in written
    assert "OTHER=" not in written


async def test_a_program_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    assert (await failure(voice(tmp_path / "no-such"))).vendor_code == "unreachable"


async def test_a_program_that_hangs_is_killed(tmp_path: Path) -> None:
    program = script(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    failed = await failure(voice(program, name="en", first_audio_s=1.0))
    assert (failed.vendor_code, failed.partial) == ("timeout", False)
    assert_gone(tmp_path)


async def test_a_program_that_stops_half_way_is_killed(tmp_path: Path) -> None:
    program = script(tmp_path, f"echo $$ > {tmp_path}/pid; head -c 40000 /dev/zero; exec sleep 60")
    failed = await failure(voice(program, name="en", stall_s=0.2))
    assert (failed.vendor_code, failed.partial) == ("stalled", True)
    assert_gone(tmp_path)


async def test_a_program_that_never_ends_is_killed_when_nobody_listens(tmp_path: Path) -> None:
    program = script(tmp_path, f"echo $$ > {tmp_path}/pid; exec cat /dev/zero")
    async with aclosing(voice(program, name="en").speak(SpeechOrder("x"))) as audio:
        assert await anext(audio)
    assert_gone(tmp_path)


async def test_a_cancelled_sentence_leaves_no_process(tmp_path: Path) -> None:
    program = script(tmp_path, f"echo $$ > {tmp_path}/pid; head -c 40000 /dev/zero; exec sleep 60")
    begun = asyncio.Event()

    async def listen() -> None:
        async with aclosing(voice(program, name="en").speak(SpeechOrder("x"))) as audio:
            async for _ in audio:
                begun.set()

    task = asyncio.get_running_loop().create_task(listen())
    async with asyncio.timeout(5):
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert_gone(tmp_path)
