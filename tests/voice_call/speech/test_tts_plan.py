"""Who speaks on calls, from the settings of the plugin and the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.carriers.polly import polly_name
from openclaw_voice_call.config.speech import TtsConfig
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.interfaces.speech import NativeVoice
from openclaw_voice_call.speech.elevenlabs.tts import ElevenLabsDialect
from openclaw_voice_call.speech.espeak.tts import EspeakSettings
from openclaw_voice_call.speech.http_voice import HttpVoiceMaker
from openclaw_voice_call.speech.openai.tts import SOUNDS_LIKE, OpenAiDialect
from openclaw_voice_call.speech.scripted.tts import ScriptedSettings
from openclaw_voice_call.speech.voice_setup import VoiceMaker
from openclaw_voice_call.speech.voices import VoicePlan, build_voice, native_voice, resolve_voice
from tests.emulators.speech.elevenlabs_tts import ElevenLabsTtsEmulator
from tests.emulators.speech.openai_tts import OpenAiTtsEmulator, error
from tests.emulators.speech.tts_server import Give, wav
from tests.secrecy import MARK, secret
from tests.voice_call.speech.voices import parts, plan, said, tts

_T = TypeVar("_T")

BASE = "plugins.entries.voice-call.config.tts"
BOTH_KEYS = {"OPENAI_API_KEY": "o", "ELEVENLABS_API_KEY": "e"}


def names(found: VoicePlan) -> list[str]:
    return [maker.name for maker in found.makers]


def openai(found: VoicePlan) -> OpenAiDialect:
    return dialect(found.makers[0], OpenAiDialect)


def elevenlabs(found: VoicePlan) -> ElevenLabsDialect:
    return dialect(found.makers[0], ElevenLabsDialect)


def dialect(maker: VoiceMaker, kind: type[_T]) -> _T:
    assert isinstance(maker, HttpVoiceMaker)
    assert isinstance(maker.dialect, kind)
    return maker.dialect


@pytest.mark.parametrize(
    ("raw", "environ", "programs", "expected"),
    [
        ({}, {}, [], []),
        ({}, {}, ["espeak"], ["espeak"]),
        ({}, BOTH_KEYS, ["espeak-ng"], ["openai", "elevenlabs", "espeak"]),
        ({}, {"XI_API_KEY": "e"}, [], ["elevenlabs"]),
        ({"provider": "elevenlabs"}, BOTH_KEYS, [], ["elevenlabs", "openai"]),
        ({"provider": "espeak"}, BOTH_KEYS, ["espeak"], ["espeak", "openai", "elevenlabs"]),
        ({"provider": "scripted"}, BOTH_KEYS, ["espeak"], ["scripted"]),
        ({"openai": {"apiKey": "k"}}, {}, [], ["openai"]),
        ({"providers": {"openai": {"baseUrl": "http://127.0.0.1:1/v1"}}}, {}, [], ["openai"]),
        ({}, {"OPENAI_TTS_BASE_URL": "http://127.0.0.1:1/v1"}, [], ["openai"]),
    ],
)
def test_the_chosen_one_speaks_first_and_the_others_stand_in(
    raw: Mapping[str, object],
    environ: Mapping[str, str],
    programs: list[str],
    expected: list[str],
) -> None:
    found = plan(raw, environ=environ, programs=programs)
    assert names(found) == expected
    assert found.warnings == ()
    assert (found.problem is None) == bool(expected)


@pytest.mark.scenario("F37")
@pytest.mark.parametrize(
    ("raw", "host"),
    [
        ({"provider": "edge"}, {}),
        ({"provider": "microsoft"}, {}),
        ({"edge": {"voice": "en-US-AriaNeural"}}, {}),
        ({"providers": {"microsoft": {"voice": "en-US-AriaNeural"}}}, {}),
        ({}, {"messages": {"tts": {"provider": "edge"}}}),
        ({}, {"tts": {"provider": "microsoft"}}),
    ],
)
def test_microsofts_voices_are_skipped_and_it_is_said_why(
    raw: Mapping[str, object], host: Mapping[str, object]
) -> None:
    found = plan(raw, host=host, environ=BOTH_KEYS)
    assert names(found) == ["openai", "elevenlabs"]
    (warning,) = found.warnings
    assert warning == (
        f"{BASE}: microsoft (edge) gives MP3 only, which telephone lines do not carry; "
        "openai speaks first on calls"
    )


def test_what_the_host_keeps_for_messages_is_no_matter_of_calls() -> None:
    host = {"messages": {"tts": {"provider": "openai", "edge": {"enabled": False}}}}
    assert plan({}, host=host, environ=BOTH_KEYS).warnings == ()


@pytest.mark.scenario("F37")
@pytest.mark.parametrize("vendor", ["google", "azure-speech", "tts-local-cli"])
def test_a_vendor_without_telephony_output_is_skipped(vendor: str) -> None:
    raw = {"provider": vendor, "providers": {vendor: {"apiKey": "k"}}}
    found = plan(raw, programs=["espeak-ng"])
    assert names(found) == ["espeak"]
    assert found.warnings == (
        f"{BASE}: {vendor} has no telephone output here; espeak speaks first on calls",
    )


def test_a_chosen_vendor_without_a_key_is_told_with_the_remedy() -> None:
    found = plan({"provider": "elevenlabs"}, environ={"OPENAI_API_KEY": "o"})
    assert names(found) == ["openai"]
    (warning,) = found.warnings
    assert warning == (
        f"{BASE}: elevenlabs cannot speak: it has no key (set providers.elevenlabs.apiKey, or "
        "ELEVENLABS_API_KEY or XI_API_KEY env); openai speaks first on calls"
    )


def test_a_key_that_names_an_unset_variable_is_missing_whatever_the_environment_has() -> None:
    raw = {"openai": {"apiKey": "${MY_KEY}"}}
    found = plan(raw, environ=BOTH_KEYS)
    assert names(found) == ["elevenlabs"]
    (warning,) = found.warnings
    assert warning == (
        f"{BASE}: openai cannot speak: its apiKey names MY_KEY, which is not set; "
        "elevenlabs speaks first on calls"
    )


def test_a_program_that_is_not_there_is_told_where_it_was_named() -> None:
    raw = {"providers": {"espeak": {"program": "my-espeak"}}}
    found = plan(raw, environ=BOTH_KEYS, programs=["espeak-ng"])
    assert names(found) == ["openai", "elevenlabs"]
    (warning,) = found.warnings
    assert "no program my-espeak is installed" in warning


def test_wrong_settings_of_the_host_are_told_and_skipped() -> None:
    host = {"tts": {"providers": {"espeak": {"speed": "fast"}, "openai": {"lang": "x"}}}}
    found = plan({}, host=host, environ=BOTH_KEYS, programs=["espeak-ng"])
    assert names(found) == ["openai", "elevenlabs"]
    (warning,) = found.warnings
    assert "espeak cannot speak: its settings are wrong: speed: expected integer" in warning


def test_the_plugins_settings_win_key_by_key_over_the_hosts() -> None:
    host = {
        "messages": {"tts": {"openai": {"apiKey": "hosts", "model": "tts-1", "voice": "nova"}}},
        "tts": {"provider": "openai", "providers": {"openai": {"speakerVoice": "onyx"}}},
    }
    found = openai(plan({}, host=host))
    assert (found.model, found.voice, found.hidden) == ("tts-1", "onyx", ("hosts",))
    over = {"openai": {"voice": "coral", "speed": 0.25, "apiKey": "own"}}
    found = openai(plan(over, host=host))
    assert (found.model, found.voice, found.speed, found.hidden) == (
        *("tts-1", "coral", 0.25),
        ("own",),
    )


def test_zero_is_a_value_and_empty_takes_the_hosts_value_back() -> None:
    host = {
        "tts": {
            "openai": {"instructions": "Like a pirate.", "model": "hosts"},
            "elevenlabs": {
                "apiKey": "k",
                "seed": 7,
                "voiceSettings": {"stability": 0.5, "style": 0.5, "useSpeakerBoost": True},
            },
        }
    }
    raw = {
        "provider": "elevenlabs",
        "openai": {"instructions": "", "model": ""},
        "elevenlabs": {
            "seed": 0,
            "voiceSettings": {"stability": 0, "useSpeakerBoost": False},
        },
    }
    found = plan(raw, host=host, environ=BOTH_KEYS)
    assert elevenlabs(found).options == {
        "seed": 0,
        "voice_settings": {"stability": 0, "style": 0.5, "use_speaker_boost": False},
    }
    other = dialect(found.makers[1], OpenAiDialect)
    assert (other.instructions, other.model) == (None, "gpt-4o-mini-tts")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({}, ("https://api.elevenlabs.io", "pMsXgVXv3BLzUgSXRplE", "eleven_flash_v2_5", None)),
        (
            {
                "baseUrl": "http://127.0.0.1:1/v1/",
                "voiceId": "old",
                "speakerVoiceId": "new",
                "modelId": "eleven_v3",
                "languageCode": "de",
            },
            ("http://127.0.0.1:1", "new", "eleven_v3", "de"),
        ),
    ],
)
def test_elevenlabs_settings_in_the_newer_shape(
    section: Mapping[str, object], expected: tuple[str | None, ...]
) -> None:
    found = elevenlabs(plan({"providers": {"elevenlabs": {"apiKey": "k", **section}}}))
    assert (found.root, found.voice_id, found.model, found.language) == expected


def test_espeak_and_scripted_settings() -> None:
    raw = {
        "provider": "espeak",
        "providers": {
            "espeak": {"voice": "de+f3", "speed": 200},
            "scripted": {"latencyMs": 250, "fault": "stalls"},
        },
    }
    (espeak,) = plan(raw, programs=["espeak"]).makers
    assert isinstance(espeak, EspeakSettings)
    assert (espeak.program, espeak.voice, espeak.words_per_minute) == (
        *("/usr/bin/espeak", "de+f3", 200),
    )
    (scripted,) = plan({**raw, "provider": "scripted"}, programs=["espeak"]).makers
    assert scripted == ScriptedSettings(0.25, "stalls")


@pytest.mark.parametrize(
    ("raw", "host", "first_audio_s", "limit"),
    [
        ({}, {}, 4.0, None),
        ({"timeoutMs": 2500, "maxTextLength": 300}, {"tts": {"timeoutMs": 9000}}, 2.5, 300),
        ({}, {"messages": {"tts": {"timeoutMs": 9000, "maxTextLength": 7}}}, 9.0, 7),
    ],
)
def test_limits(
    raw: Mapping[str, object],
    host: Mapping[str, object],
    first_audio_s: float,
    limit: int | None,
) -> None:
    found = plan(raw, host=host, environ=BOTH_KEYS)
    (maker, _) = found.makers
    assert isinstance(maker, HttpVoiceMaker)
    assert maker.patience.first_audio_s == first_audio_s
    assert found.max_text_length == limit


@pytest.mark.scenario("F81")
def test_a_plan_shows_no_key() -> None:
    keys = {"apiKey": secret("tts")}
    host = {"tts": {"providers": {"openai": keys}}}
    environ = {"XI_API_KEY": secret("xi"), "OTHER": secret("other")}
    raw = {"elevenlabs": {"apiKey": "${NOT_SET}"}}
    found = plan(raw, host=host, environ=environ, programs=["espeak"])
    assert names(found) == ["openai", "espeak"]
    assert MARK not in repr(found)
    assert MARK not in repr(plan({"openai": keys}))


def test_nobody_who_can_speak_is_a_problem_with_its_remedies() -> None:
    found = plan({})
    assert found.problem is not None
    for word in ("OPENAI_API_KEY", "ELEVENLABS_API_KEY", "espeak-ng"):
        assert word in found.problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.dictionaries(
        st.sampled_from(
            [*("tts", "messages", "openai", "elevenlabs", "espeak", "scripted", "providers")]
        )
        | st.sampled_from(["provider", "voice", "apiKey", "speed", "timeoutMs", "maxTextLength"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["tts", "messages"]), JSON))
def test_whatever_the_host_has_gives_a_plan(host: dict[str, object]) -> None:
    found = resolve_voice(TtsConfig(), host, BOTH_KEYS, find_program=lambda name: name)
    assert found.problem is None


async def test_without_anybody_nothing_is_built() -> None:
    async with parts() as built:
        with pytest.raises(NotConfigured, match="nobody can speak"):
            build_voice(plan({}), built)


@pytest.mark.scenario("F7", "F15")
async def test_from_the_file_to_the_line_over_the_next_vendor() -> None:
    """The first vendor has no quota, the second gives a header alone, then all is well again."""
    async with OpenAiTtsEmulator() as first, ElevenLabsTtsEmulator() as second, parts() as built:
        first.will(error(429, "insufficient_quota"))
        second.will(Give(), Give(wav(b"", 24_000)))
        raw = {
            "provider": "openai",
            "openai": {"apiKey": first.key, "baseUrl": first.base_url},
            "elevenlabs": {"apiKey": second.key, "baseUrl": second.url},
        }
        voice = build_voice(plan(raw), built)
        audio = await said(voice, "Hello there.")
        assert len(second.requests) == 1
        first.will(Give())
        assert len(await said(voice, "Hello there.")) == pytest.approx(len(audio), abs=80)
        assert (len(first.requests), len(second.requests)) == (2, 2)
        await voice.close()


@pytest.mark.parametrize(
    ("name", "polly"),
    [
        ("alloy", "Joanna"),
        ("echo", "Matthew"),
        ("fable", "Amy"),
        ("onyx", "Brian"),
        ("nova", "Salli"),
        ("shimmer", "Kimberly"),
    ],
)
def test_a_carriers_own_voice_sounds_like_the_chosen_one(name: str, polly: str) -> None:
    found = native_voice(tts({"openai": {"voice": name}}), {})
    assert found is not None
    assert polly_name(found) == polly
    assert native_voice(tts({}), {"tts": {"openai": {"speakerVoice": name}}}) == found


@pytest.mark.parametrize(
    ("raw", "host"),
    [
        ({}, {}),
        ({"openai": {"voice": "af_heart"}}, {}),
        ({"provider": "elevenlabs", "openai": {"voice": "alloy"}}, {}),
        ({}, {"tts": {"openai": {"voice": 5}}}),
    ],
)
def test_a_voice_that_is_not_known_leaves_the_choice_to_the_carrier(
    raw: Mapping[str, object], host: Mapping[str, object]
) -> None:
    assert native_voice(tts(raw), host) is None


def test_every_known_voice_has_a_counterpart() -> None:
    assert all(polly_name(each) for each in SOUNDS_LIKE.values())
    assert polly_name(NativeVoice("female", "tlh")) is None
