"""Nothing that the gateway writes shows a key of its owner, whatever goes wrong (F81).

Each key here is one of `tests.secrecy`, so what any process printed, and all files that are left in
the scratch folder, are searched by `tests/conftest.py`. These tests see to it that there is much to
be searched: every key is set, and every door is asked in good and bad ways.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from openclaw.errors import GatewayCallError
from openclaw.rpc.client import GatewayClient
from tests import secrecy
from tests.e2e.conftest import CALLEE, OUR_NUMBER, Setup, StartSetup
from tests.emulators.faults import Fail
from tests.emulators.twilio import ACCOUNT_SID, Person
from tests.secrecy import secret

KEYS: dict[str, object] = {
    "inboundPolicy": "open",
    "telnyx": {"apiKey": secret("telnyx"), "connectionId": "1", "publicKey": "AAAA"},
    "plivo": {"authId": "MA0000000000000000TEST", "authToken": secret("plivo")},
    "tunnel": {"provider": "none", "ngrokAuthToken": secret("ngrok")},
    "streaming": {"openaiApiKey": secret("stt")},
}
HOST: dict[str, object] = {
    "logging": {"level": "debug", "consoleLevel": "debug"},
    "messages": {"tts": {"providers": {"elevenlabs": {"apiKey": secret("tts")}}}},
    "env": {"vars": {"SOME_API_KEY": secret("env")}},
}
ENVIRON = {
    "OPENAI_API_KEY": secret("openai-env"),
    "TELNYX_API_KEY": secret("telnyx-env"),
    "DEEPGRAM_API_KEY": secret("deepgram-env"),
}

MISPLACED: dict[str, object] = {"twilio": secret("section")}
"""A key where the section of keys belongs: problems do not show it. `config get`, which shows the
file and hides what stands under the names of keys, cannot know."""


async def every_door(phone: Setup, call: str) -> None:
    """Ask all that can be asked; answers and refusals alike are kept by the harness."""
    gateway = phone.gateway
    for command in (
        ("config", "get", "plugins"),
        ("config", "get", "gateway"),
        ("config", "get", "plugins.entries.voice-call.config.twilio.authToken"),
        ("config", "validate"),
        ("gateway", "status"),
        ("gateway", "health"),
        ("gateway", "call", "config.get"),
        ("gateway", "call", "status"),
        ("plugins", "doctor"),
        ("plugins", "info", "voice-call"),
        ("logs", "--limit", "500"),
        ("voicecall", "status", "--json"),
        ("voicecall", "status", "--call-id", call),
        ("voicecall", "end", "--call-id", "nobody"),
        ("agent", "-m", "Hello"),
    ):
        await gateway.cli(*command)


@pytest.mark.scenario("F81", carrier="twilio")
async def test_calls_refusals_and_every_door_show_no_key(setup: StartSetup) -> None:
    phone = await setup(KEYS, people={CALLEE: Person(["Hello?"])}, host=HOST, environ=ENVIRON)
    call = await phone.gateway.initiate(CALLEE)
    await phone.gateway.wait_state(call, "listening")
    await phone.gateway.end(call, at_once=True)
    caller = Person()
    incoming = phone.twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await phone.gateway.wait_state(incoming.sid, "listening", "speaking")
    phone.twilio.hang_up(incoming.sid)

    wrong = await phone.twilio.post(phone.public_url, {"CallSid": "CA1"}, signature=secret("sig"))
    assert wrong.status == 401
    phone.twilio.faults.rest.add(
        Fail(401, 20003, f"Authenticate: {ACCOUNT_SID} is not known"), times=1
    )
    with pytest.raises(GatewayCallError) as refusal:
        await phone.gateway.initiate(CALLEE)
    assert ACCOUNT_SID not in str(refusal.value)

    def wrong_token() -> None:
        with GatewayClient.connect(phone.gateway.url.replace("http", "ws"), secret("wrong")):
            pass

    with pytest.raises(GatewayCallError) as stranger:
        await asyncio.to_thread(wrong_token)
    assert secrecy.in_text(str(stranger.value)) is None
    await every_door(phone, call)
    assert len(phone.gateway.everything) > 5_000


@pytest.mark.scenario("F81")
@pytest.mark.parametrize(
    "section",
    [
        {"twilio": {"authToken": [secret("list")]}},
        MISPLACED,
        {"telnyx": {"apiKey": 5, "apikey": secret("misspelt")}},
        {"tunnel": {"provider": 1, "ngrokAuthToken": secret("ngrok")}},
        {"streaming": {"openaiApiKey": {"value": secret("nested")}}},
    ],
    ids=["list", "whole-section", "misspelt", "enum", "nested"],
)
async def test_a_wrong_section_is_explained_without_its_keys(
    setup: StartSetup, section: dict[str, object], tmp_path: Path
) -> None:
    phone = await setup(section, host=HOST, environ=ENVIRON, start=False)
    await phone.gateway.start(ready=False)
    assert (await phone.gateway.cli("config", "validate")).code != 0
    if section is not MISPLACED:
        await every_door(phone, "nobody")
    # Shown here, and not only at the end of the run, so that the case is named.
    sys.stdout.write(phone.gateway.everything)
    assert secrecy.in_folder(tmp_path) == []
