"""What the plugin's section accepts, and what it says about what it does not."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.opening import InboundPolicy
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.parse import ParsedConfig, parse_config

BASE = "plugins.entries.voice-call.config"


def parse(raw: Mapping[str, object], **environ: str) -> ParsedConfig:
    return parse_config(raw, environ)


def accepted(raw: Mapping[str, object], **environ: str) -> VoiceCallConfig:
    parsed = parse(raw, **environ)
    assert parsed.config is not None, [problem.render() for problem in parsed.problems]
    assert parsed.problems == ()
    return parsed.config


def complaint(raw: Mapping[str, object], **environ: str) -> str:
    """The one problem that this section has."""
    parsed = parse(raw, **environ)
    assert parsed.config is None
    (problem,) = parsed.problems
    return problem.render()


def test_an_empty_section_is_complete() -> None:
    config = accepted({})
    assert config.enabled
    assert config.provider is None
    assert config.inbound_policy is InboundPolicy.DISABLED
    assert config.outbound.default_mode is Mode.NOTIFY
    assert config.session_scope == "per-phone"
    assert config.stale_call_reaper_seconds == 120
    streaming = config.streaming
    assert (
        streaming.pre_start_timeout_ms,
        streaming.max_pending_connections,
        streaming.max_pending_connections_per_ip,
        streaming.max_connections,
    ) == (5000, 32, 4, 128)


def test_an_empty_string_leaves_a_key_out() -> None:
    config = accepted(
        {
            "provider": "",
            "fromNumber": "",
            "publicUrl": "",
            "store": "",
            "twilio": {"accountSid": "", "authToken": "", "region": "", "baseUrl": ""},
        }
    )
    assert config == VoiceCallConfig(twilio=config.twilio)
    assert config.twilio.auth_token is None


def test_the_number_that_is_shown_may_be_withheld() -> None:
    person = {"number": "+15550001111", "callsBackAfterMs": 10, "callsBackFrom": ""}
    config = accepted({"mock": {"script": [person]}})
    assert config.mock.script[0].calls_back_from == ""


SLIPS: list[tuple[dict[str, object], str]] = [
    ({"fromNumer": "+15550001111"}, '.fromNumer: unknown key "fromNumer"; did you mean'),
    ({"from_number": "+15550001111"}, 'unknown key "from_number"; did you mean "fromNumber"?'),
    (
        {"twilio": {"authtoken": "x"}},
        '.twilio.authtoken: unknown key "authtoken"; did you mean',
    ),
    ({"qqq": 1}, f'{BASE}.qqq: unknown key "qqq"'),
    (
        {"mock": {"script": [{"number": "1", "say": []}]}},
        '.mock.script[0].say: unknown key "say"; did you mean "says"?',
    ),
    (
        {"tts": {"openai": {"speeed": 1}}},
        '.tts.openai.speeed: unknown key "speeed"; did you mean "speed"?',
    ),
    (
        {"provider": "twillio"},
        '.provider: not one of the allowed values: "twillio" (allowed: "twilio", "telnyx", ',
    ),
    (
        {"inboundPolicy": "all"},
        '"all" (allowed: "disabled", "allowlist", "pairing", "open")',
    ),
    (
        {"fromNumber": "5550001111"},
        r'.fromNumber: must match pattern "^\+[1-9]\d{1,14}$", received "5550001111"',
    ),
    (
        {"fromNumber": 15550001111},
        ".fromNumber: expected string, received integer 15550001111; write it in quotes",
    ),
    ({"serve": {"port": 70000}}, ".serve.port: must be <= 65535, received 70000"),
    ({"serve": {"port": "3334"}}, '.serve.port: expected integer, received string "3334"'),
    ({"serve": {"path": "voice"}}, '.serve.path: must match pattern "^/'),
    ({"serve": None}, ".serve: expected object, received null"),
    ({"maxConcurrentCalls": 0}, ".maxConcurrentCalls: must be > 0, received 0"),
    ({"enabled": "yes"}, '.enabled: expected boolean, received string "yes"'),
    ({"allowFrom": "+15550001111"}, ".allowFrom: expected array, received string"),
    ({"allowFrom": ["+1555", "1"]}, ".allowFrom[1]: must match pattern"),
    ({"publicUrl": "voice.example.com"}, ".publicUrl: expected a URL that begins with https"),
    ({"publicUrl": "https://a:b@c.example"}, "credentials in it is not allowed"),
    ({"webhookSecurity": {"trustedProxyIPs": ["x"]}}, ".trustedProxyIPs[0]: expected an IP"),
    ({"webhookSecurity": {"allowedHosts": ["https://x"]}}, ".allowedHosts[0]: expected a host"),
    ({"streaming": {"vadThreshold": 1.5}}, ".streaming.vadThreshold: must be <= 1"),
    (
        {"streaming": {"streamPath": "/voice/webhook"}},
        "streamPath: must differ from serve.path",
    ),
    ({"mock": {"script": [{}]}}, ".mock.script[0].number: is required"),
    ({"mock": {"speed": 0}}, ".mock.speed: must be > 0, received 0"),
    ({"agentId": ""}, ".agentId: must not be empty"),
]


@pytest.mark.scenario("F78")
@pytest.mark.parametrize(("raw", "text"), SLIPS)
def test_a_problem_names_the_path_the_value_and_what_may_stand_there(
    raw: Mapping[str, object], text: str
) -> None:
    said = complaint(raw)
    assert said.startswith(BASE)
    assert text in said


def test_every_problem_is_found_at_once() -> None:
    parsed = parse({"provider": "x", "toNumber": "y", "serve": {"port": -1}, "colour": "red"})
    assert sorted(problem.path for problem in parsed.problems) == [
        f"{BASE}.{key}" for key in ("colour", "provider", "serve.port", "toNumber")
    ]


def test_keys_of_newer_versions_are_said_and_ignored() -> None:
    parsed = parse(
        {
            "realtime": {"enabled": True},
            "numbers": {},
        }
    )
    assert parsed.config is not None
    assert sorted(parsed.warnings) == [
        f"{BASE}.{key}: not supported yet, ignored" for key in ("numbers", "realtime")
    ]


def test_a_variable_that_is_not_set_is_named() -> None:
    said = complaint({"fromNumber": "${MY_NUMBER}"})
    assert said.startswith(f"{BASE}.fromNumber: the variable MY_NUMBER is not set")
    assert complaint({"store": "/data/${MY_FOLDER}"}).startswith(f"{BASE}.store: the variable")


def test_an_escaped_reference_means_itself() -> None:
    config = accepted({"store": "${HOME}", "inboundGreeting": "Say ${WORD}"}, HOME="/home/x")
    assert config.store == "${HOME}"
    assert config.inbound_greeting == "Say ${WORD}"


def test_credentials_that_nobody_asks_for_may_be_unresolved() -> None:
    raw = {"provider": "mock", "twilio": {"authToken": "${TWILIO_AUTH_TOKEN}"}}
    assert accepted(raw).provider == "mock"


SECRETS = [
    {"twilio": {"authToken": "s3cr3t-value"}},
    {"twilio": "s3cr3t-value"},
    {"twilio": {"authToken": ["s3cr3t-value"]}},
    {"twilio": {"authTokn": "s3cr3t-value"}},
    {"telnyx": {"apiKey": {"id": "s3cr3t-value"}}},
    {"streaming": {"openaiApiKey": 1, "nested": {"token": "s3cr3t-value"}}},
    {"tts": {"providers": {"openai": {"apiKey": "s3cr3t-value"}}, "bogus": 1}},
]


@pytest.mark.scenario("F81")
@pytest.mark.parametrize("raw", SECRETS)
def test_no_secret_is_said_whatever_is_wrong(raw: Mapping[str, object]) -> None:
    parsed = parse(raw)
    shown = [problem.render() for problem in parsed.problems]
    assert "s3cr3t-value" not in repr((shown, parsed))


@pytest.mark.scenario("F81")
def test_a_typed_section_shows_no_secret() -> None:
    keys = {"apiKey": "s3cr3t-value"}
    config = accepted(
        {
            "twilio": {"authToken": "s3cr3t-value"},
            "telnyx": keys,
            "plivo": {"authToken": "s3cr3t-value"},
            "tunnel": {"ngrokAuthToken": "s3cr3t-value"},
            "streaming": {
                "openaiApiKey": "s3cr3t-value",
                "providers": {"openai": keys, "deepgram": keys, "elevenlabs": keys},
            },
            "tts": {"openai": keys, "elevenlabs": keys, "providers": {"x": keys}, "edge": keys},
        }
    )
    assert "s3cr3t-value" not in f"{config!r} {config}"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [field.alias or name for name, field in VoiceCallConfig.model_fields.items()]
)


@given(st.dictionaries(KEYS | st.text(), ANYTHING, max_size=5))
def test_any_section_gives_a_configuration_or_problems_with_a_path(raw: dict[str, object]) -> None:
    parsed = parse(raw)
    assert (parsed.config is None) == bool(parsed.problems)
    assert all(problem.render().startswith(BASE) for problem in parsed.problems)
