"""The host's text-to-speech settings, with a plugin's over them."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.sdk import host_tts_settings

Block = Mapping[str, object]


@pytest.mark.parametrize(
    ("host", "over", "expected"),
    [
        ({}, {}, {}),
        (
            {"messages": {"tts": {"provider": "openai", "openai": {"model": "m"}}}},
            {"openai": {"instructions": "slowly"}},
            {
                "provider": "openai",
                "providers": {"openai": {"model": "m", "instructions": "slowly"}},
            },
        ),
        (
            {"messages": {"tts": {"openai": {"model": "old"}}}, "tts": {"openai": {"model": "m"}}},
            {},
            {"providers": {"openai": {"model": "m"}}},
        ),
        (
            {"tts": {"edge": {"voice": "host"}}},
            {"providers": {"microsoft": {"voice": "plugin"}}},
            {"providers": {"microsoft": {"voice": "plugin"}}},
        ),
    ],
)
def test_blocks_are_merged_key_by_key(host: Block, over: Block, expected: Block) -> None:
    assert host_tts_settings(host, over) == expected


@pytest.mark.parametrize("empty", [0, 0.0, False, "", None])
def test_zero_and_empty_values_win_too(empty: object) -> None:
    host = {"tts": {"providers": {"elevenlabs": {"seed": 7, "modelId": "m"}}}}
    merged = host_tts_settings(host, {"elevenlabs": {"seed": empty}})
    assert merged == {"providers": {"elevenlabs": {"seed": empty, "modelId": "m"}}}


@pytest.mark.parametrize(
    ("vendor", "older", "newer"),
    [("openai", "voice", "speakerVoice"), ("elevenlabs", "voiceId", "speakerVoiceId")],
)
def test_an_older_name_above_wins_over_a_newer_one_below(
    vendor: str, older: str, newer: str
) -> None:
    host = {"tts": {"providers": {vendor: {newer: "hosts"}}}}
    merged = host_tts_settings(host, {vendor: {older: "plugins"}})
    assert merged == {"providers": {vendor: {newer: "plugins"}}}


@pytest.mark.parametrize("newer_first", [True, False])
def test_within_a_block_the_newer_name_wins(newer_first: bool) -> None:
    names = {"speakerVoice": "new", "voice": "old"}
    block = names if newer_first else dict(reversed(names.items()))
    merged = host_tts_settings({}, {"openai": block})
    assert merged == {"providers": {"openai": {"speakerVoice": "new"}}}


def test_the_chosen_personas_voice_stands_between_host_and_plugin() -> None:
    host = {
        "tts": {
            "provider": "openai",
            "persona": "butler",
            "personas": {
                "butler": {
                    "provider": "elevenlabs",
                    "providers": {"elevenlabs": {"speakerVoiceId": "b", "modelId": "p"}},
                }
            },
        }
    }
    merged = host_tts_settings(host, {"elevenlabs": {"modelId": "plugins"}})
    assert merged["provider"] == "elevenlabs"
    assert merged["providers"] == {"elevenlabs": {"speakerVoiceId": "b", "modelId": "plugins"}}
    assert host_tts_settings(host, {"persona": None})["provider"] == "openai"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["tts", "messages", "openai", "providers", "voice", "speakerVoice", "personas"]
            )
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(["tts", "messages"]), JSON), st.dictionaries(st.text(), JSON)
)
def test_any_configuration_gives_an_object(
    host: dict[str, object], over: dict[str, object]
) -> None:
    assert isinstance(host_tts_settings(host, over), Mapping)
