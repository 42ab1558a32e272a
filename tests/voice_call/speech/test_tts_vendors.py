"""OpenAI's and ElevenLabs' voices against their protocols, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.elevenlabs.tts import ElevenLabsDialect
from openclaw_voice_call.speech.http_voice import HttpVoice, SpeechDialect
from openclaw_voice_call.speech.openai.tts import OpenAiDialect
from openclaw_voice_call.speech.spoken import Patience
from openclaw_voice_call.speech.voice_setup import VoiceParts
from tests.clock import FakeClock
from tests.emulators.speech import elevenlabs_tts, openai_tts
from tests.emulators.speech.elevenlabs_tts import ElevenLabsTtsEmulator
from tests.emulators.speech.openai_tts import OpenAiTtsEmulator
from tests.emulators.speech.tts_server import (
    TONE_HZ,
    Give,
    Hang,
    Refuse,
    Slam,
    TtsServer,
    length_s,
    tone,
    wav,
)
from tests.secrecy import secret
from tests.voice_call.speech.voices import failure, parts, said, strongest_hz

TEXT = "Hello there."
KEY = secret("voice")


@dataclass
class Bench:
    """A vendor and our voice of it."""

    server: TtsServer
    dialect: SpeechDialect
    parts: VoiceParts
    clock: FakeClock

    def voice(self, *, first_audio_s: float = 5.0, stall_s: float = 5.0) -> HttpVoice:
        return HttpVoice(self.dialect, self.parts, Patience(first_audio_s, stall_s))


@pytest.fixture(params=["openai", "elevenlabs"])
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    server = (OpenAiTtsEmulator if request.param == "openai" else ElevenLabsTtsEmulator)(KEY)
    clock = FakeClock()
    async with server, parts(clock) as built:
        if isinstance(server, OpenAiTtsEmulator):
            dialect: SpeechDialect = OpenAiDialect(server.base_url, SecretStr(KEY))
        else:
            dialect = ElevenLabsDialect(SecretStr(KEY), server.url)
        yield Bench(server, dialect, built, clock)


@pytest.fixture
async def openai() -> AsyncGenerator[OpenAiTtsEmulator]:
    async with OpenAiTtsEmulator(KEY) as server:
        yield server


@pytest.fixture
async def elevenlabs() -> AsyncGenerator[ElevenLabsTtsEmulator]:
    async with ElevenLabsTtsEmulator(KEY) as server:
        yield server


def assert_is_the_tone(audio: bytes) -> None:
    assert len(audio) == pytest.approx(8000 * length_s(TEXT), abs=80)
    assert strongest_hz(audio) == pytest.approx(TONE_HZ, abs=5)


@pytest.mark.scenario("F25", "F27")
@pytest.mark.parametrize("pieces", [1, 7, 333, 16_384])
async def test_a_sentence_is_the_same_whatever_its_pieces(bench: Bench, pieces: int) -> None:
    bench.server.will(Give(), Give(pieces=pieces))
    voice = bench.voice()
    whole = await said(voice, TEXT)
    assert_is_the_tone(whole)
    assert await said(voice, TEXT) == whole


@pytest.mark.scenario("F25")
@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
async def test_a_wav_file_is_read_by_its_header(bench: Bench, rate_hz: int) -> None:
    samples = tone(rate_hz, length_s(TEXT)).tobytes()
    bench.server.will(Give(wav(samples, rate_hz, declared_bytes=0xFFFFFFFF), pieces=333))
    assert_is_the_tone(await said(bench.voice(), TEXT))


@pytest.mark.scenario("F25")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (openai_tts.MP3_FRAME * 9, "MP3"),
        (b"ID3\x04\0\0\0\0\0\x0f" + openai_tts.MP3_FRAME * 9, "MP3"),
        (b"OggS\0\x02" + bytes(99), "Ogg"),
        (b'{"error": {"message": "the model is overloaded, please try again later"}}', "JSON"),
        (b"<!doctype html><html><body>a page of some proxy in between</body></html>", "HTML"),
    ],
)
async def test_what_is_no_telephone_audio_is_not_played(
    bench: Bench, body: bytes, told: str
) -> None:
    bench.server.will(Give(body))
    failed = await failure(bench.voice())
    assert failed.vendor_code == "unsupported_audio"
    assert told in str(failed)
    assert not failed.partial


@pytest.mark.scenario("F15")
@pytest.mark.parametrize("body", [b"", wav(b"", 24_000), wav(b"", 24_000)[:20]])
async def test_no_audio_is_a_failure(bench: Bench, body: bytes) -> None:
    bench.server.will(Give(body))
    failed = await failure(bench.voice())
    assert failed.vendor_code == "empty"
    assert not failed.partial


async def test_audio_is_passed_on_before_the_sentence_is_complete(bench: Bench) -> None:
    bench.server.will(Give(end="stall"))
    async with (
        asyncio.timeout(5),
        aclosing(bench.voice().speak(SpeechOrder("A long sentence. " * 4))) as audio,
    ):
        assert await anext(audio)
    async with asyncio.timeout(5):
        await bench.server.left.wait()


async def test_a_vendor_that_falls_silent_half_way_has_spoken_in_part(bench: Bench) -> None:
    bench.server.will(Give(end="stall"))
    failed = await failure(bench.voice(stall_s=0.05))
    assert (failed.vendor_code, failed.partial) == ("stalled", True)
    async with asyncio.timeout(5):
        await bench.server.left.wait()


async def test_a_connection_that_breaks_half_way_is_not_an_end(bench: Bench) -> None:
    bench.server.will(Give(end="break"))
    failed = await failure(bench.voice(), TEXT * 20)
    assert (failed.vendor_code, failed.partial) == ("broken", True)


@pytest.mark.parametrize("answer", [Hang(), Give(b"", end="stall")])
async def test_a_mute_vendor_is_given_up_in_time(bench: Bench, answer: Hang | Give) -> None:
    bench.server.will(answer)
    failed = await failure(bench.voice(first_audio_s=0.1))
    assert (failed.vendor_code, failed.partial) == ("timeout", False)


async def test_the_time_for_the_first_audio_includes_the_vendors_thinking(bench: Bench) -> None:
    bench.server.latency_s = 0.2
    assert await said(bench.voice(first_audio_s=5.0))
    assert (await failure(bench.voice(first_audio_s=0.05))).vendor_code == "timeout"


async def test_a_vendor_that_is_not_there_fails_at_once(bench: Bench) -> None:
    await bench.server.__aexit__(None, None, None)
    failed = await failure(bench.voice())
    assert failed.vendor_code == "unreachable"
    await bench.server.__aenter__()


async def test_a_connection_is_kept_from_sentence_to_sentence(bench: Bench) -> None:
    voice = bench.voice()
    await voice.warm_up()
    for _ in range(3):
        await said(voice)
    assert bench.server.warmed == 1
    assert bench.server.connections == 1


async def test_warming_up_a_warm_vendor_costs_nothing(bench: Bench) -> None:
    voice = bench.voice()
    await said(voice)
    await voice.warm_up()
    assert bench.server.warmed == 0
    await bench.clock.advance(11)
    await voice.warm_up()
    await voice.warm_up()
    assert bench.server.warmed == 1


async def test_warming_up_does_not_fail(bench: Bench) -> None:
    await bench.server.__aexit__(None, None, None)
    await bench.voice().warm_up()
    await bench.server.__aenter__()


async def test_a_kept_connection_that_was_just_closed_is_no_failure(bench: Bench) -> None:
    bench.server.will(Give(), Slam(), Give())
    voice = bench.voice()
    first = await said(voice)
    assert await said(voice) == first
    bench.server.will(Slam())
    assert (await failure(voice)).vendor_code == "unreachable"


@pytest.mark.scenario("F81")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_a_refusal_tells_the_vendors_code_and_no_secret(bench: Bench, status: int) -> None:
    text = f"not for {KEY}: {TEXT}"
    of_openai = openai_tts.error(status, "some_code", text)
    of_elevenlabs = elevenlabs_tts.error(status, "some_code", text)
    is_openai = isinstance(bench.server, OpenAiTtsEmulator)
    bench.server.will(of_openai if is_openai else of_elevenlabs)
    failed = await failure(bench.voice(), TEXT)
    assert (failed.vendor_code, failed.status, failed.partial) == ("some_code", status, False)
    assert KEY not in repr(failed)
    assert TEXT not in str(failed)


UNREADABLE: list[object] = [
    *("", None, []),
    *({"error": 1}, {"detail": 2}, {"detail": [[]]}, {"error": {"code": 3}}),
]


@pytest.mark.parametrize("body", UNREADABLE)
async def test_a_refusal_that_cannot_be_read_tells_its_status(bench: Bench, body: object) -> None:
    bench.server.will(Refuse(502, body))
    failed = await failure(bench.voice())
    assert (failed.vendor_code, failed.status) == ("502", 502)


async def test_a_wrong_key_is_refused(bench: Bench) -> None:
    bench.server.key = "another"
    failed = await failure(bench.voice())
    assert (failed.vendor_code, failed.status) == ("invalid_api_key", 401)


async def test_many_speak_at_once(bench: Bench) -> None:
    voice = bench.voice()
    async with asyncio.TaskGroup() as group:
        spoken = [group.create_task(said(voice, TEXT)) for _ in range(20)]
    for each in spoken:
        assert_is_the_tone(each.result())


async def test_openai_is_asked_as_configured(openai: OpenAiTtsEmulator) -> None:
    async with parts() as built:
        dialect = OpenAiDialect(
            openai.base_url, SecretStr(KEY), "gpt-4o-mini-tts", "coral", 0.5, "Slowly."
        )
        voice = HttpVoice(dialect, built, Patience(5))
        await said(voice, TEXT)
        await said(voice, TEXT, as_voice="onyx", language="de-DE")
    expected = {
        "model": "gpt-4o-mini-tts",
        "input": TEXT,
        "voice": "coral",
        "response_format": "pcm",
        "speed": 0.5,
        "instructions": "Slowly.",
    }
    assert openai.requests == [expected, {**expected, "voice": "onyx"}]


async def test_instructions_are_not_given_to_models_that_refuse_them(
    openai: OpenAiTtsEmulator,
) -> None:
    async with parts() as built:
        dialect = OpenAiDialect(
            openai.base_url, SecretStr(KEY), model="tts-1-hd", instructions="Slowly."
        )
        await said(HttpVoice(dialect, built, Patience(5)))
    assert "instructions" not in openai.requests[0]


async def test_a_compatible_server_may_need_no_key_and_know_only_wav(
    openai: OpenAiTtsEmulator,
) -> None:
    openai.needs_key, openai.formats = False, ("wav", "mp3")
    async with parts() as built:
        voice = HttpVoice(OpenAiDialect(openai.base_url), built, Patience(5))
        assert_is_the_tone(await said(voice, TEXT))
        assert_is_the_tone(await said(voice, TEXT))
    assert [body["response_format"] for body in openai.requests] == ["wav", "wav"]
    assert len(openai.headers) == 3, "what is refused once is not asked for again"
    assert all("Authorization" not in headers for headers in openai.headers)


@pytest.mark.scenario("F25")
@pytest.mark.parametrize("told", ["audio/L16; rate=16000", "audio/pcm;channels=1;rate=16000"])
async def test_a_compatible_server_may_tell_another_rate(
    openai: OpenAiTtsEmulator, told: str
) -> None:
    openai.will(Give(tone(16_000, length_s(TEXT)).tobytes(), content_type=told))
    async with parts() as built:
        dialect = OpenAiDialect(openai.base_url, SecretStr(KEY))
        assert_is_the_tone(await said(HttpVoice(dialect, built, Patience(5)), TEXT))


@pytest.mark.scenario("F25")
@pytest.mark.parametrize(
    ("formats", "asked_for"),
    [
        (("ulaw_8000",), ["ulaw_8000"]),
        (("pcm_24000", "pcm_16000"), ["ulaw_8000", "pcm_24000"]),
        (("pcm_16000",), ["ulaw_8000", "pcm_24000", "pcm_16000"]),
    ],
)
async def test_elevenlabs_is_asked_for_what_the_plan_includes(
    elevenlabs: ElevenLabsTtsEmulator, formats: tuple[str, ...], asked_for: list[str]
) -> None:
    elevenlabs.formats = formats
    async with parts() as built:
        dialect = ElevenLabsDialect(SecretStr(KEY), elevenlabs.url)
        voice = HttpVoice(dialect, built, Patience(5))
        assert_is_the_tone(await said(voice, TEXT))
        assert elevenlabs.asked_for == asked_for
        assert_is_the_tone(await said(voice, TEXT))
    assert elevenlabs.asked_for == [*asked_for, asked_for[-1]]


async def test_a_plan_without_any_form_of_ours_is_a_refusal(
    elevenlabs: ElevenLabsTtsEmulator,
) -> None:
    elevenlabs.formats = ()
    async with parts() as built:
        dialect = ElevenLabsDialect(SecretStr(KEY), elevenlabs.url)
        failed = await failure(HttpVoice(dialect, built, Patience(5)))
    assert failed.vendor_code == "output_format_not_allowed"


async def test_mulaw_is_not_touched(elevenlabs: ElevenLabsTtsEmulator) -> None:
    every_code = bytes(range(256)) * 8
    elevenlabs.will(Give(every_code, pieces=7))
    async with parts() as built:
        dialect = ElevenLabsDialect(SecretStr(KEY), elevenlabs.url)
        assert await said(HttpVoice(dialect, built, Patience(5))) == every_code


@pytest.mark.parametrize("language", [None, "de"])
async def test_elevenlabs_is_asked_as_configured(
    elevenlabs: ElevenLabsTtsEmulator, language: str | None
) -> None:
    model = "eleven_flash_v2_5"
    options: Mapping[str, object] = {"seed": 0, "voice_settings": {"stability": 0.0}}
    async with parts() as built:
        dialect = ElevenLabsDialect(
            SecretStr(KEY), elevenlabs.url, "voice-of-test", model, language, options
        )
        await said(HttpVoice(dialect, built, Patience(5)), TEXT, language="en-US")
    expected = {"text": TEXT, "model_id": model, **options}
    assert elevenlabs.requests == [
        expected if language is None else {**expected, "language_code": language}
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "detail", "message", "status", "code", "loc", "msg", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.binary() | JSON.map(msgspec.json.encode))
def test_any_body_of_a_refusal_can_be_read(body: bytes) -> None:
    for dialect in (OpenAiDialect(), ElevenLabsDialect(SecretStr("k"))):
        told = dialect.told(body)
        assert isinstance(told.text, str)
        assert isinstance(dialect.refuses_form(400, told), bool)
