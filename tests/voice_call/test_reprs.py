"""No object of a running plugin shows a key in its `repr`, whatever ends up in a log or a trace."""

import gc
import logging
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from openclaw.clock import SystemClock
from openclaw.tasks import Supervisor
from openclaw_voice_call.carriers.registry import CARRIERS
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import resolve_credentials
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.runtime import VoiceCallRuntime
from tests.secrecy import MARK, secret
from tests.voice_call.rig import FakeAgents, FakeApi

# The public half of a key pair that nobody has the other half of; it is no secret.
TELNYX_PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

KEYS: Mapping[str, object] = {
    "fromNumber": "+15550001234",
    "publicUrl": "https://voice.example.com/voice/webhook",
    "serve": {"port": 0},
    "twilio": {"accountSid": f"AC{MARK}", "authToken": secret("twilio")},
    "telnyx": {
        "apiKey": secret("telnyx"),
        "connectionId": "1494404757140276705",
        "publicKey": TELNYX_PUBLIC_KEY,
    },
    "plivo": {"authId": f"MA{MARK}", "authToken": secret("plivo")},
    "tunnel": {"ngrokAuthToken": secret("ngrok")},
    "streaming": {"openaiApiKey": secret("openai")},
}


def ours() -> Iterator[object]:
    """Every object of our two packages that is alive. (Plain containers are not: they hold the
    owner's file as it was read, and are never shown.)"""
    for each in gc.get_objects():
        if str(type(each).__module__).partition(".")[0] in ("openclaw", "openclaw_voice_call"):
            yield each


@pytest.mark.scenario("F81")
@pytest.mark.parametrize("carrier", sorted(CARRIERS))
async def test_nothing_of_a_running_plugin_shows_a_key(carrier: str, tmp_path: Path) -> None:
    parsed = parse_config({**KEYS, "provider": carrier}, {})
    assert parsed.config is not None, parsed.problems
    credentials = resolve_credentials(parsed.config, {})
    tasks = Supervisor("reprs", logging.getLogger("reprs"))
    api = FakeApi(tmp_path, SystemClock(), FakeAgents(), tasks)
    runtime = await VoiceCallRuntime.start(api, parsed.config, credentials)
    try:
        seen = [(type(each).__qualname__, repr(each)) for each in ours()]
    finally:
        await runtime.stop()
        await tasks.close()
    assert {"VoiceCallConfig", "Credentials", "CallManager"} <= {name for name, _ in seen}
    assert [name for name, text in seen if MARK in text] == []


@pytest.mark.parametrize("carrier", sorted(CARRIERS.keys() - {"mock"}))
def test_what_is_missing_is_told_without_what_is_there(carrier: str) -> None:
    incomplete = {key: value for key, value in KEYS.items() if key != "fromNumber"}
    parsed = parse_config({**incomplete, "provider": carrier}, {})
    assert parsed.config is not None
    with pytest.raises(NotConfigured) as refusal:
        resolve_credentials(parsed.config, {})
    told = "".join(traceback.format_exception(refusal.value))
    assert "fromNumber" in told
    assert MARK not in told
