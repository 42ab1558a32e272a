"""The manifest, the reference page and the examples are what the model says."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pyjson5
import pytest

from openclaw_voice_call.carriers.registry import CARRIERS
from openclaw_voice_call.config.docs import ROOT, generated, main, stale
from openclaw_voice_call.config.manifest import label
from openclaw_voice_call.config.notices import inactive, risks
from openclaw_voice_call.config.parse import LATER_KEYS, parse_config
from openclaw_voice_call.config.schema import (
    Key,
    Schema,
    all_keys,
    config_schema,
    is_array,
    is_object,
)
from openclaw_voice_call.credentials import missing_credentials
from openclaw_voice_call.exposure.checks import exposure_problems
from openclaw_voice_call.speech.registry import recogniser_problem
from openclaw_voice_call.speech.voices import resolve_voice

EXAMPLES = sorted((ROOT / "examples").glob("*.json5"))
SCHEMA = config_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FILES = generated()
PAGE = ROOT / "docs" / "configuration.md"
SAMPLES: Mapping[str, object] = {
    "publicUrl": "https://voice.example.com/voice/webhook",
    "streaming.publicUrl": "wss://voice.example.com/voice/stream",
    "webhookSecurity.trustedProxyIPs": ["10.0.0.0/8"],
    "mock.script": [{"number": "+15550001111"}],
    "streaming.providers.elevenlabs.vadThreshold": 0.4,
    "tts.providers.espeak.voice": "en-us",
    "tts.providers.espeak.speed": 165,
}


def fits(value: object) -> bool:
    """Whether the manifest's schema takes this section."""
    return VALIDATOR.is_valid(value)  # pyright: ignore[reportUnknownMemberType, reportArgumentType, reportCallIssue]


def section_of(path: Path) -> Schema:
    """The plugin's section of a configuration file, with variables filled in."""
    found: object = pyjson5.decode(re.sub(r"\$\{\w+\}", "x", path.read_text(encoding="utf-8")))
    for key in ("plugins", "entries", "voice-call", "config"):
        assert is_object(found)
        found = found[key]
    assert is_object(found)
    return found


def sample(key: Key) -> object:
    """A value that this key's row of the page allows."""
    if key.path in SAMPLES:
        return SAMPLES[key.path]
    schema = key.schema
    if "default" in schema:
        return schema["default"]
    if is_array(choices := schema.get("enum")):
        return choices[0]
    if "pattern" in schema:
        return "+15550001111"
    if key.path.endswith("baseUrl"):
        return "https://api.example.com"
    plain: Schema = {"string": "x", "integer": 2000, "number": 1, "boolean": True, "object": {}}
    return plain[str(schema["type"])]


def nested(path: str, value: object) -> dict[str, object]:
    head, _, rest = path.partition(".")
    return {head: nested(rest, value)} if rest else {head: value}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_generated_files_are_fresh(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path], "run `make docs`"


def test_check_succeeds_on_fresh_files_and_refuses_other_arguments() -> None:
    assert stale() == []
    assert main(["--check"]) == 0
    assert main(["--chek"]) == 2


@pytest.mark.scenario("F78")
def test_every_key_of_the_page_is_accepted() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| \[?`([^`]+)`", page, re.MULTILINE)) - {"TWILIO_EDGE"}
    known = {key.path: key for key in all_keys()}
    assert rows == known.keys()
    people: dict[str, object] = {"number": "+15550001111"}
    for path, key in known.items():
        if key.section is not None and key.path not in SAMPLES:
            continue
        if path.startswith("mock.script[]."):
            field = path.rpartition(".")[2]
            raw = nested("mock.script", [{**people, field: sample(key)}])
        else:
            raw = nested(path, sample(key))
        assert parse_config(raw, {}).problems == (), path
        assert fits(json.loads(json.dumps(raw))), path


def test_keys_that_come_later_are_on_the_page_and_are_not_keys() -> None:
    page = PAGE.read_text(encoding="utf-8")
    known = {key.path for key in all_keys()}
    for section, keys in LATER_KEYS.items():
        for key in keys:
            path = ".".join((*map(str, section), key))
            assert f"`{path}`" in page
            assert path not in known


@pytest.mark.scenario("F78")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_complete_and_valid(path: Path) -> None:
    section = section_of(path)
    environ = dict.fromkeys(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", path.read_text()), "x")
    parsed = parse_config(section, environ)
    assert parsed.problems == ()
    assert parsed.warnings == ()
    config = parsed.config
    assert config is not None
    assert inactive(config) == ()
    assert risks(config) == ()
    assert missing_credentials(config, environ) == ()
    assert exposure_problems(config) == ()
    assert config.streaming.enabled == path.stem.endswith("-live")
    if config.streaming.enabled:
        assert recogniser_problem(config, environ) is None
        voices = resolve_voice(config.tts, {}, environ, find_program=lambda _: None)
        assert voices.makers[0].name == config.tts.provider
        assert voices.warnings == ()
    assert fits(section)


def test_there_is_an_example_for_each_carrier_and_way_to_use_it() -> None:
    names = {path.stem: section_of(path)["provider"] for path in EXAMPLES}
    assert names == {
        f"{name}-{way}": name for name in CARRIERS for way in ("notify", "conversation", "live")
    }


def test_the_schema_is_one_that_every_validator_reads() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert "$ref" not in json.dumps(SCHEMA)
    for wrong in ({"fromNumer": "x"}, {"fromNumber": "555"}, {"serve": {"port": -1}}):
        assert not fits(wrong)


@pytest.mark.scenario("F81")
def test_every_key_that_holds_a_secret_is_marked() -> None:
    (manifest_text,) = [text for path, text in FILES.items() if path.suffix == ".json"]
    manifest = json.loads(manifest_text)
    sensitive = {path for path, hint in manifest["uiHints"].items() if hint.get("sensitive")}
    assert sensitive == {
        "twilio.authToken",
        "telnyx.apiKey",
        "plivo.authToken",
        "tunnel.ngrokAuthToken",
        "streaming.openaiApiKey",
        "streaming.providers.openai.apiKey",
        "streaming.providers.deepgram.apiKey",
        "streaming.providers.elevenlabs.apiKey",
        "tts.openai.apiKey",
        "tts.elevenlabs.apiKey",
        "tts.providers.openai.apiKey",
        "tts.providers.elevenlabs.apiKey",
    }
    paths = manifest["configContracts"]["secretInputs"]["paths"]
    assert {entry["path"] for entry in paths} == sensitive


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("twilio.accountSid", "Twilio account SID"),
        ("streaming.openaiApiKey", "Streaming OpenAI API key"),
        ("ringTimeoutMs", "Ring timeout (ms)"),
        ("webhookSecurity.trustedProxyIPs", "Webhook security trusted proxy IPs"),
    ],
)
def test_labels_read_well(path: str, words: str) -> None:
    assert label(path) == words
