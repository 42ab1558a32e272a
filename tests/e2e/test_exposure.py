"""A gateway whose public URL comes from a tunnel: calls go through it, and its loss is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.conftest import CALLEE, StartSetup
from tests.emulators.twilio import Person
from tests.voice_call.exposure.fakes import FakePrograms
from tests.voice_call.exposure.test_process import alive, until

NGROK_TOKEN = "2e2eNgrokToken_91xQ"
NGROK_URL = "https://voice.example.ngrok.app/voice/webhook"
FUNNEL_URL = "https://box.tail1234.ts.net/voice/webhook"


@pytest.fixture
def programs(tmp_path: Path) -> FakePrograms:
    return FakePrograms(tmp_path / "bin")


def ngrok_pids(programs: FakePrograms) -> list[int]:
    return [pid for run in programs.runs if isinstance(pid := run["pid"], int)]


def leaves(programs: FakePrograms) -> Callable[[], bool]:
    return lambda: not any(alive(pid) for pid in ngrok_pids(programs))


@pytest.mark.scenario("F84", carrier="twilio")
async def test_a_call_goes_through_the_paid_ngrok_domain(
    setup: StartSetup, programs: FakePrograms
) -> None:
    programs.ngrok({"needs_token": True}, {"exit": 1}, {})
    tunnel = {
        "provider": "ngrok",
        "ngrokAuthToken": NGROK_TOKEN,
        "ngrokDomain": "voice.example.ngrok.app",
    }
    house = await setup(
        {"publicUrl": "", "tunnel": tunnel},
        people={CALLEE: Person(says=["Yes, please."])},
        environ={"PATH": programs.path},
        public_url=NGROK_URL,
    )
    gateway = house.gateway
    await gateway.wait_log(f"Webhook URL: {NGROK_URL}")
    call = await gateway.initiate(CALLEE, "Hello. Do you need anything?", mode="notify")
    ended = await gateway.wait_state(call, "completed", "hangup-bot", "hangup-user")
    assert ended.answered_at
    placed = house.rest("create")[0]
    assert NGROK_URL in str(placed)

    programs.signal("end-1")
    await gateway.wait_log("Public URL lost: ngrok: the agent ended with status 9")
    await gateway.wait_log("Public URL restored: ngrok")
    again = await gateway.initiate(CALLEE, "It is us again.", mode="notify")
    assert (await gateway.wait_state(again, "completed", "hangup-bot", "hangup-user")).answered_at

    assert await gateway.stop() == 0
    await until(leaves(programs))
    assert NGROK_TOKEN not in gateway.everything


@pytest.mark.scenario("F84", carrier="twilio")
async def test_a_tunnel_that_comes_back_elsewhere_is_taken_up_when_no_call_is_up(
    setup: StartSetup, programs: FakePrograms
) -> None:
    """As ngrok's free URLs do. The new one, of the third agent, is where further calls are told."""
    first, moved, last = (
        f"https://{name}.ngrok-free.app" for name in ("aaaa-1", "bbbb-2", "cccc-3")
    )
    programs.ngrok({"url": first}, {"url": moved}, {"url": last})
    house = await setup(
        {"publicUrl": "", "tunnel": {"provider": "ngrok"}},
        people={CALLEE: Person()},
        environ={"PATH": programs.path},
        public_url=f"{last}/voice/webhook",
    )
    gateway, process = house.gateway, house.gateway.pid
    await gateway.wait_log(f"Webhook URL: {first}")
    programs.signal("end-1")
    await gateway.wait_log("Public URL moved: ngrok: the tunnel came back as https://bbbb-2.")
    await gateway.wait_log("replacing the runtime: the public URL")
    await gateway.wait_log(f"Webhook URL: {last}")
    await gateway.wait_log("config change taken up")
    call = await gateway.initiate(CALLEE, "Hello from elsewhere.", mode="notify")
    assert (await gateway.wait_state(call, "completed")).answered_at
    assert gateway.pid == process


@pytest.mark.scenario("A3", carrier="twilio")
async def test_what_comes_through_the_agent_must_be_signed(
    setup: StartSetup, programs: FakePrograms
) -> None:
    """The agent makes the whole world look like loopback, and no option may make that enough."""
    programs.ngrok({})
    tunnel = {
        "provider": "ngrok",
        "ngrokDomain": "voice.example.ngrok.app",
        "allowNgrokFreeTierLoopbackBypass": True,
    }
    house = await setup(
        {"publicUrl": "", "tunnel": tunnel, "inboundPolicy": "open"},
        environ={"PATH": programs.path},
        public_url=NGROK_URL,
    )
    await house.gateway.wait_log(f"Webhook URL: {NGROK_URL}")
    forwarded = {
        "Host": "voice.example.ngrok.app",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "voice.example.ngrok.app",
        "X-Twilio-Signature": "bm90IHNpZ25lZCBieSB0d2lsaW8=",
    }
    fields = {"CallSid": "CA" + "1" * 32, "From": CALLEE, "CallStatus": "ringing"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(house.local_url, data=fields, headers=forwarded) as answer,
    ):
        assert answer.status == 401
    assert await house.gateway.calls() == []


@pytest.mark.scenario("F84", carrier="twilio")
async def test_a_killed_gateway_leaves_no_agent_that_keeps_the_domain(
    setup: StartSetup, programs: FakePrograms
) -> None:
    programs.ngrok({})
    tunnel = {"provider": "ngrok", "ngrokDomain": "voice.example.ngrok.app"}
    house = await setup(
        {"publicUrl": "", "tunnel": tunnel},
        environ={"PATH": programs.path},
        public_url=NGROK_URL,
    )
    await house.gateway.kill()
    await until(leaves(programs))
    await house.gateway.start()
    assert len(programs.runs) == 2


@pytest.mark.scenario("F85", carrier="twilio")
async def test_a_call_goes_through_funnel_and_nothing_stays_published(
    setup: StartSetup, programs: FakePrograms
) -> None:
    programs.tailscale()
    house = await setup(
        {"publicUrl": "", "tailscale": {"mode": "funnel"}, "streaming": {"enabled": True}},
        people={CALLEE: Person()},
        environ={"PATH": programs.path},
        public_url=FUNNEL_URL,
    )
    local = f"http://127.0.0.1:{house.webhook_port}"
    assert programs.routes == {
        "box.tail1234.ts.net:443": {
            "/voice/webhook": f"{local}/voice/webhook",
            "/voice/stream": f"{local}/voice/stream",
        }
    }
    call = await house.gateway.initiate(CALLEE, "Good evening.", mode="notify")
    ended = await house.gateway.wait_state(call, "completed", "hangup-bot", "hangup-user")
    assert ended.answered_at
    assert await house.gateway.stop() == 0
    assert programs.routes == {}
    assert programs.funnel == {}


@pytest.mark.scenario("F80", carrier="twilio")
@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"publicUrl": "https://100.101.102.103/voice/webhook"}, "is a shared address"),
        ({"publicUrl": "https://[fd12::7]/voice/webhook"}, "is a unique local IPv6 address"),
        (
            {"skipSignatureVerification": True, "serve": {"port": 3334, "bind": "0.0.0.0"}},
            "skipSignatureVerification: cannot be combined with serve.bind 0.0.0.0",
        ),
        ({"publicUrl": "", "tunnel": {"provider": "ngrok"}}, "ngrok agent is not installed"),
    ],
)
async def test_what_cannot_work_is_refused_at_start_and_by_every_door(
    setup: StartSetup, config: dict[str, object], reason: str, tmp_path: Path
) -> None:
    twilio = {"accountSid": "AC" + "0" * 32, "authToken": "not-a-real-token-3b1f"}
    house = await setup(
        {"twilio": twilio, **config},
        environ={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        start=False,
    )
    gateway = house.gateway
    await gateway.start(ready=False)
    await gateway.wait_log(reason)
    refused = await gateway.voicecall("call", "--to", CALLEE, "--message", "Hi")
    assert refused.code == 1
    assert reason in refused.err
    if "tunnel" not in config:
        checked = await gateway.cli("config", "validate")
        assert reason in checked.out + checked.err
        assert checked.code == 1
