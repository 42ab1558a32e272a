"""Tailscale's routes: webhook and stream together, its refusals, what others change, the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from openclaw_voice_call.errors import ExposureFailed, NotConfigured
from openclaw_voice_call.interfaces.exposure import ExposureState, PublicUrls
from tests.voice_call.exposure.conftest import QUICK, Stage
from tests.voice_call.exposure.test_process import until

STILL = replace(QUICK, watch_s=60.0)
"""Nobody looks after the routes during a short test."""
PLACE = "box.tail1234.ts.net:443"
BOTH = {
    "/voice/webhook": "http://127.0.0.1:3334/voice/webhook",
    "/voice/stream": "http://127.0.0.1:3334/voice/stream",
}
FUNNEL = {"tailscale": {"mode": "funnel"}}


@pytest.mark.scenario("F85")
@pytest.mark.parametrize(
    ("section", "funnel"),
    [
        (FUNNEL, True),
        ({"tailscale": {"mode": "serve"}}, False),
        ({"tunnel": {"provider": "tailscale-funnel"}}, True),
        ({"tunnel": {"provider": "tailscale-serve"}}, False),
    ],
)
@pytest.mark.parametrize("compact", [False, True])
async def test_webhook_and_stream_are_published_and_withdrawn_together(
    stage: Stage, section: dict[str, object], funnel: bool, compact: bool
) -> None:
    stage.programs.tailscale(compact=compact)
    async with stage.expose(section, STILL) as urls:
        assert urls == PublicUrls(
            "https://box.tail1234.ts.net/voice/webhook", "wss://box.tail1234.ts.net/voice/stream"
        )
        assert stage.programs.routes == {PLACE: BOTH}
        assert stage.programs.funnel == ({PLACE: True} if funnel else {})
    assert stage.programs.routes == {}
    assert stage.programs.funnel == {}


@pytest.mark.scenario("F85")
async def test_port_and_paths_are_those_of_the_configuration(stage: Stage) -> None:
    stage.programs.tailscale()
    section = {
        "tailscale": {"mode": "funnel", "port": 8443, "path": "/outside"},
        "serve": {"port": 4455, "path": "/inside"},
        "streaming": {"streamPath": "/audio"},
    }
    async with stage.expose(section, STILL) as urls:
        assert urls.webhook == "https://box.tail1234.ts.net:8443/outside"
        assert urls.stream == "wss://box.tail1234.ts.net:8443/audio"
        assert stage.programs.routes == {
            "box.tail1234.ts.net:8443": {
                "/outside": "http://127.0.0.1:4455/inside",
                "/audio": "http://127.0.0.1:4455/audio",
            }
        }
    assert stage.programs.routes == {}


@pytest.mark.parametrize(
    ("state", "reason", "remedy"),
    [
        ({"backend": "NeedsLogin"}, "not connected on this machine (state NeedsLogin)", "up"),
        ({"backend": "Stopped"}, "state Stopped", "tailscale up"),
        ({"down": True}, "doesn't appear to be running", "systemctl start tailscaled"),
        ({"dns": ""}, "no DNS name", "MagicDNS"),
        ({"status_text": "<html>oops"}, "printed something else", "update Tailscale"),
        ({"status_text": '{"Self": 7}'}, "printed something else", "update Tailscale"),
        ({"status_text": ""}, "printed something else", "update Tailscale"),
        ({"denied": True}, "serve config denied", "tailscale set --operator"),
        ({"tcp": [PLACE]}, 'already serving "tcp"', "choose another tailscale.port"),
        ({"forgets": True}, "took /voice/webhook, /voice/stream and does not show it", "status"),
        ({"not_enabled": "funnel"}, "not allowed on this tailnet", "/f/funnel?node=nTest1CNTRL"),
        (
            {"not_enabled": "funnel", "waits_for_enable": True},
            "not allowed on this tailnet",
            "https://login.tailscale.com/f/funnel?node=nTest1CNTRL",
        ),
    ],
)
async def test_refusals_are_told_with_their_remedy_and_leave_nothing(
    stage: Stage, state: dict[str, object], reason: str, remedy: str
) -> None:
    stage.programs.tailscale(**state)
    async with asyncio.timeout(10):
        with pytest.raises(ExposureFailed, match=r"^tailscale-funnel: ") as failed:
            async with stage.expose(FUNNEL, STILL):
                raise AssertionError("it must not open")
    assert reason in str(failed.value)
    assert remedy in (failed.value.remedy or "")
    if "not_enabled" in state:
        expected = "https://login.tailscale.com/f/funnel?node=nTest1CNTRL"
        assert failed.value.enable_url == expected
    assert stage.programs.routes == {}


async def test_without_tailscale_it_says_where_to_get_it(stage: Stage) -> None:
    with pytest.raises(ExposureFailed, match="not installed") as failed:
        async with stage.expose(FUNNEL):
            raise AssertionError("it must not open")
    assert "tailscale.com/download" in (failed.value.remedy or "")


async def test_a_tailscale_that_hangs_holds_nobody_up(stage: Stage) -> None:
    stage.programs.tailscale(hang=True)
    async with asyncio.timeout(10):
        with pytest.raises(ExposureFailed, match=r"did not answer within 0\.3 s"):
            async with stage.expose(FUNNEL, replace(STILL, command_s=0.3)):
                raise AssertionError("it must not open")
    stage.programs.tailscale()
    async with asyncio.timeout(20):
        async with stage.expose(FUNNEL, replace(STILL, withdraw_s=0.3)):
            stage.programs.alter(hang=True)


async def test_somebody_else_changing_routes_at_the_same_time_is_tried_again(stage: Stage) -> None:
    stage.programs.tailscale(conflicts=1)
    async with stage.expose(FUNNEL, STILL):
        assert stage.programs.routes == {PLACE: BOTH}
        stage.programs.alter(conflicts=1)
    assert stage.programs.routes == {}


async def test_a_version_that_does_not_list_its_routes_is_believed(stage: Stage) -> None:
    stage.programs.tailscale(no_routes_json=True)
    async with stage.expose(FUNNEL, STILL):
        assert stage.programs.routes == {PLACE: BOTH}
    assert stage.programs.routes == {}


@pytest.mark.scenario("F85")
async def test_what_belongs_to_others_stays(stage: Stage) -> None:
    others = {"/": "http://127.0.0.1:8080", "/voice/other": "http://127.0.0.1:9090"}
    stage.programs.tailscale(routes={PLACE: others}, funnel={PLACE: True})
    async with stage.expose(FUNNEL, STILL):
        assert stage.programs.routes == {PLACE: {**others, **BOTH}}
        taken_over = {**others, **BOTH, "/voice/stream": "http://127.0.0.1:4444/voice/stream"}
        stage.programs.alter(routes={PLACE: taken_over})
    left = {**others, "/voice/stream": "http://127.0.0.1:4444/voice/stream"}
    assert stage.programs.routes == {PLACE: left}
    assert stage.programs.funnel == {PLACE: True}


async def test_routes_that_somebody_removes_are_reported_and_set_again(stage: Stage) -> None:
    stage.programs.tailscale()
    async with stage.expose(FUNNEL, replace(QUICK, watch_s=0.3)):
        stage.programs.alter(routes={}, funnel={})
        reason = await stage.told(ExposureState.LOST)
        assert reason == "no route to here: /voice/webhook, /voice/stream"
        await stage.told(ExposureState.RESTORED)
        assert stage.programs.routes == {PLACE: BOTH}
        assert stage.programs.funnel == {PLACE: True}


async def test_a_service_that_stops_is_reported_once_and_found_again(stage: Stage) -> None:
    stage.programs.tailscale()
    async with stage.expose(FUNNEL, replace(QUICK, watch_s=0.3)):
        stage.programs.alter(down=True)
        assert "doesn't appear to be running" in await stage.told(ExposureState.LOST)
        asked = len(stage.programs.commands)
        await until(lambda: len(stage.programs.commands) >= asked + 3)
        stage.programs.alter(down=False)
        await stage.told(ExposureState.RESTORED)


async def test_another_machine_name_is_told(stage: Stage) -> None:
    stage.programs.tailscale()
    async with stage.expose(FUNNEL, replace(QUICK, watch_s=0.3)):
        stage.programs.alter(dns="crate.tail1234.ts.net.")
        reason = await stage.told(ExposureState.MOVED)
        assert "called crate.tail1234.ts.net now and not box.tail1234.ts.net" in reason


async def test_no_tunnel_is_opened_for_a_configuration_that_is_refused(stage: Stage) -> None:
    stage.programs.tailscale()
    section = {**FUNNEL, "skipSignatureVerification": True, "serve": {"bind": "0.0.0.0"}}
    with pytest.raises(NotConfigured, match="skipSignatureVerification"):
        async with stage.expose(section):
            raise AssertionError("it must not open")
    assert stage.programs.commands == []


async def test_a_carrier_out_there_needs_a_way_in(stage: Stage) -> None:
    with pytest.raises(NotConfigured, match="publicUrl: is required"):
        async with stage.expose({}):
            raise AssertionError("it must not open")


async def test_fixed_and_local_urls_need_no_program(stage: Stage) -> None:
    async with stage.expose({"publicUrl": "https://v.example.com/hook"}) as urls:
        assert urls == PublicUrls("https://v.example.com/hook", "wss://v.example.com/voice/stream")
    async with stage.expose({"provider": "mock", "serve": {"bind": "0.0.0.0"}}) as urls:
        assert urls.webhook == "http://127.0.0.1:3334/voice/webhook"
