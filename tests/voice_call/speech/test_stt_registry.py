"""Which recogniser a configuration chooses, with which settings, and what is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import get_args

import aiohttp
import pytest

from openclaw.tasks import Supervisor
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.config.streaming import RecogniserName, SttProviders
from openclaw_voice_call.credentials import vendor_keys
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.speech.registry import (
    RECOGNISERS,
    build_recogniser,
    recogniser_problem,
)
from tests.clock import FakeClock

BASE = "plugins.entries.voice-call.config"


def config(**streaming: object) -> VoiceCallConfig:
    parsed = parse_config({"provider": "mock", "streaming": streaming}, {})
    assert parsed.config is not None, [each.render() for each in parsed.problems]
    return parsed.config


async def built(section: VoiceCallConfig, environ: Mapping[str, str]) -> str:
    """The name of the recogniser that is made."""
    tasks = Supervisor("registry", logging.getLogger("registry"))
    async with aiohttp.ClientSession() as session:
        keys = vendor_keys(section, environ)
        return build_recogniser(section, keys, session=session, clock=FakeClock(), tasks=tasks).name


@pytest.mark.parametrize(
    ("streaming", "environ", "name"),
    [
        ({}, {"OPENAI_API_KEY": "k"}, "openai"),
        ({"openaiApiKey": "k"}, {}, "openai"),
        ({"sttProvider": "openai-realtime", "openaiApiKey": "k"}, {}, "openai"),
        ({"sttProvider": "deepgram"}, {"DEEPGRAM_API_KEY": "k"}, "deepgram"),
        ({"sttProvider": "elevenlabs"}, {"XI_API_KEY": "k"}, "elevenlabs"),
        ({"sttProvider": "deepgram", "provider": "openai", "openaiApiKey": "k"}, {}, "openai"),
        ({"provider": "deepgram", "providers": {"deepgram": {"apiKey": "k"}}}, {}, "deepgram"),
        ({"provider": "", "sttProvider": "deepgram"}, {"DEEPGRAM_API_KEY": "k"}, "deepgram"),
        ({"provider": "scripted"}, {}, "scripted"),
        (
            {"provider": "openai", "providers": {"openai": {"baseUrl": "ws://127.0.0.1:9"}}},
            {},
            "openai",
        ),
    ],
)
async def test_the_newer_key_chooses_else_the_older(
    streaming: Mapping[str, object], environ: Mapping[str, str], name: str
) -> None:
    section = config(**streaming)
    assert recogniser_problem(section, environ) is None
    assert await built(section, environ) == name


def test_every_name_of_the_configuration_is_built() -> None:
    assert set(SttProviders.model_fields) == set(RECOGNISERS) == set(get_args(RecogniserName))


@pytest.mark.scenario("F4")
@pytest.mark.parametrize(
    ("streaming", "environ", "line"),
    [
        ({}, {}, "streaming.providers.openai.apiKey is required (or set OPENAI_API_KEY env)"),
        (
            {"provider": "deepgram", "openaiApiKey": "k"},
            {"OPENAI_API_KEY": "k"},
            "streaming.providers.deepgram.apiKey is required (or set DEEPGRAM_API_KEY env)",
        ),
        (
            {"sttProvider": "elevenlabs"},
            {"ELEVENLABS_API_KEY": ""},
            "streaming.providers.elevenlabs.apiKey is required (or set ELEVENLABS_API_KEY or XI_",
        ),
        (
            {"openaiApiKey": "${MY_KEY}"},
            {"OPENAI_API_KEY": "another"},
            "streaming.providers.openai.apiKey is required",
        ),
    ],
)
async def test_a_recogniser_without_its_key_is_said_and_not_built(
    streaming: Mapping[str, object], environ: Mapping[str, str], line: str
) -> None:
    section = config(**streaming)
    problem = recogniser_problem(section, environ)
    assert problem is not None
    assert problem.startswith(f"{BASE}.{line}")
    with pytest.raises(NotConfigured) as raised:
        await built(section, environ)
    assert raised.value.problems == (problem,)


@pytest.mark.parametrize(
    ("streaming", "models"),
    [
        ({}, {"openai": None, "deepgram": None}),
        ({"sttModel": "m"}, {"openai": "m", "deepgram": None}),
        ({"sttModel": "m", "sttProvider": "deepgram"}, {"openai": None, "deepgram": "m"}),
        ({"sttModel": "m", "provider": "deepgram"}, {"openai": "m", "deepgram": None}),
    ],
)
def test_the_older_model_means_one_recogniser(
    streaming: Mapping[str, object], models: Mapping[str, str | None]
) -> None:
    section = config(**streaming).streaming
    assert section.model_for("openai") == models["openai"]
    assert section.model_for("deepgram") == models["deepgram"]


@pytest.mark.parametrize(
    ("streaming", "text"),
    [
        ({"provider": "opneai"}, ".streaming.provider: "),
        ({"providers": {"opneai": {}}}, '.streaming.providers.opneai: unknown key "opneai"'),
        ({"providers": {"openai": {"modle": "x"}}}, 'did you mean "model"?'),
        ({"providers": {"openai": {"vadThreshold": 2}}}, "openai.vadThreshold: must be <= 1"),
        ({"providers": {"openai": {"silenceDurationMs": -1}}}, "silenceDurationMs: must be >= 0"),
        ({"providers": {"deepgram": {"encoding": "linear16"}}}, "deepgram.encoding: "),
        ({"providers": {"elevenlabs": {"vadThreshold": 0.95}}}, "vadThreshold: must be <= 0.9"),
        ({"providers": {"openai": {"baseUrl": "ftp://x"}}}, "openai.baseUrl: expected a URL"),
        ({"providers": {"openai": {"baseUrl": "https://x/?key=1"}}}, "without query"),
    ],
)
def test_what_is_wrong_is_named(streaming: Mapping[str, object], text: str) -> None:
    parsed = parse_config({"provider": "mock", "streaming": streaming}, {})
    (problem,) = parsed.problems
    assert text in problem.render()
