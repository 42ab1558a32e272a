"""The ngrok agent as a child: its URL, its failures, its deaths, its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from openclaw_voice_call.errors import ExposureFailed
from openclaw_voice_call.interfaces.exposure import ExposureState, PublicUrls
from tests.voice_call.exposure.conftest import QUICK, TOKEN, Stage
from tests.voice_call.exposure.test_process import alive, gone, until

NGROK = {"tunnel": {"provider": "ngrok"}}
DOMAIN = "voice.example.ngrok.app"
PAID = {"tunnel": {"provider": "ngrok", "ngrokAuthToken": TOKEN, "ngrokDomain": DOMAIN}}
PAID_URLS = PublicUrls(
    "https://voice.example.ngrok.app/voice/webhook", "wss://voice.example.ngrok.app/voice/stream"
)


def pid_of(run: dict[str, object]) -> int:
    return cast("int", run["pid"])


@pytest.mark.scenario("F84")
async def test_the_paid_domain_is_used_and_the_token_stays_off_the_command_line(
    stage: Stage,
) -> None:
    stage.programs.ngrok({"needs_token": True})
    async with stage.expose(PAID, TWILIO_AUTH_TOKEN="not-for-ngrok") as urls:
        assert urls == PAID_URLS
        (run,) = stage.programs.runs
        argv = cast("list[str]", run["argv"])
        env = cast("dict[str, str]", run["env"])
        assert argv[:2] == ["http", "http://127.0.0.1:3334"]
        assert argv[argv.index("--url") + 1] == f"https://{DOMAIN}"
        assert TOKEN not in " ".join(argv)
        assert env["NGROK_AUTHTOKEN"] == TOKEN
        assert "TWILIO_AUTH_TOKEN" not in env
        assert alive(pid_of(run))
    await gone(pid_of(run))


async def test_token_and_domain_may_come_from_the_environment(stage: Stage) -> None:
    stage.programs.ngrok({"needs_token": True})
    async with stage.expose(NGROK, NGROK_AUTHTOKEN=TOKEN, NGROK_DOMAIN=f"{DOMAIN}.") as urls:
        assert urls == PAID_URLS


async def test_without_a_domain_ngrok_chooses_the_url(stage: Stage) -> None:
    stage.programs.ngrok({"garbage": ["\x00\xff{", "[1,2]", '{"msg": 7}', "null"], "flood": 10**6})
    section = {**NGROK, "serve": {"port": 4455, "path": "/hook"}}
    async with stage.expose(section) as urls:
        assert urls.webhook == "https://abcd-1234.ngrok-free.app/hook"
        assert cast("list[str]", stage.programs.runs[0]["argv"])[1] == "http://127.0.0.1:4455"


async def test_a_slow_agent_is_waited_for(stage: Stage) -> None:
    stage.programs.ngrok({"slow_until": "go"})
    exposure = stage.expose(PAID)
    opening = asyncio.get_running_loop().create_task(exposure.__aenter__())
    async with asyncio.timeout(10):
        await until(lambda: bool(stage.programs.runs))
        assert not opening.done()
        stage.programs.signal("go")
        assert await opening == PAID_URLS
    await exposure.__aexit__(None, None, None)


@pytest.mark.scenario("F84")
@pytest.mark.parametrize(
    ("run", "reason", "remedy"),
    [
        ({"needs_token": True}, "verified account and authtoken", "set tunnel.ngrokAuthToken"),
        ({"bad_token": True}, "does not look like a proper ngrok", "set tunnel.ngrokAuthToken"),
        ({"old": True}, "unknown flag: --url", "ngrok update"),
        ({"url": "https://other.ngrok.app"}, "opened other.ngrok.app instead", "ngrokDomain"),
        ({"url": "tcp://0.tcp.ngrok.io:17585"}, "gave no https URL but 'tcp://", None),
        ({"url": "https://[::1"}, "gave no https URL", None),
    ],
)
async def test_what_will_not_pass_is_reported_at_once_without_the_token(
    stage: Stage, run: dict[str, object], reason: str, remedy: str | None
) -> None:
    stage.programs.ngrok(run)
    token = {"ngrokAuthToken": TOKEN} if "needs_token" not in run else {}
    section = {"tunnel": {"provider": "ngrok", "ngrokDomain": DOMAIN, **token}}
    with pytest.raises(ExposureFailed, match=r"^ngrok: ") as failed:
        async with stage.expose(section, replace(QUICK, open_s=30.0)):
            raise AssertionError("it must not open")
    assert reason in str(failed.value)
    assert TOKEN not in f"{failed.value!r} {failed.value} {failed.value.remedy}"
    assert remedy is None or remedy in (failed.value.remedy or "")
    assert len(stage.programs.runs) == 1


async def test_without_the_agent_it_says_where_to_get_it(stage: Stage) -> None:
    with pytest.raises(ExposureFailed, match="not installed") as failed:
        async with stage.expose(NGROK):
            raise AssertionError("it must not open")
    assert "https://ngrok.com/download" in (failed.value.remedy or "")


@pytest.mark.scenario("F84")
async def test_a_domain_that_is_still_taken_is_waited_for(stage: Stage) -> None:
    """After a crash ngrok keeps the old session for a while."""
    stage.programs.ngrok({"taken": True}, {"taken": True}, {})
    async with stage.expose(PAID) as urls:
        assert urls == PAID_URLS
        assert len(stage.programs.runs) == 3


@pytest.mark.parametrize(
    ("run", "reason", "remedy"),
    [
        ({"mute": True}, "gave no URL in time", "by hand"),
        ({"exit": 2}, "ended with status 2: ngrok: something broke", "by hand"),
        ({"taken": True}, "is already online. ERR_NGROK_334", "stop the other ngrok agent"),
    ],
)
async def test_an_agent_that_never_opens_is_given_up_in_time(
    stage: Stage, run: dict[str, object], reason: str, remedy: str
) -> None:
    stage.programs.ngrok(run)
    pace = replace(QUICK, open_s=0.8)
    async with asyncio.timeout(10):
        with pytest.raises(ExposureFailed) as failed:
            async with stage.expose(NGROK, pace):
                raise AssertionError("it must not open")
    assert reason in str(failed.value)
    assert remedy in (failed.value.remedy or "")
    for each in stage.programs.runs:
        await gone(pid_of(each))


@pytest.mark.scenario("F84")
async def test_a_death_is_reported_and_the_agent_is_started_again(stage: Stage) -> None:
    stage.programs.ngrok({}, {"exit": 1}, {"exit": 1}, {})
    async with stage.expose(PAID) as urls:
        stage.programs.signal("end-1")
        reason = await stage.told(ExposureState.LOST)
        assert "ended with status 9: the tunnel session ended" in reason
        assert TOKEN not in reason
        await stage.told(ExposureState.RESTORED)
        assert len(stage.programs.runs) == 4
        assert urls == PAID_URLS
        stage.programs.signal("end-4")
        assert "ended with status 9" in await stage.told(ExposureState.LOST)
        await stage.told(ExposureState.RESTORED)


async def test_a_lost_session_is_reported_and_found_again_by_the_agent(stage: Stage) -> None:
    stage.programs.ngrok({"session_lost": "cut", "session_found": "mended"})
    async with stage.expose(PAID):
        stage.programs.signal("cut")
        assert await stage.told(ExposureState.LOST) == "read: connection reset"
        stage.programs.signal("mended")
        await stage.told(ExposureState.RESTORED)
        assert len(stage.programs.runs) == 1


async def test_another_url_after_a_death_is_said_and_the_tunnel_is_closed(stage: Stage) -> None:
    stage.programs.ngrok({}, {"url": "https://ffff-9999.ngrok-free.app"})
    async with stage.expose(NGROK) as urls:
        stage.programs.signal("end-1")
        await stage.told(ExposureState.LOST)
        reason = await stage.told(ExposureState.MOVED)
        assert "https://ffff-9999.ngrok-free.app/voice/webhook instead of " in reason
        assert urls.webhook in reason
        assert "openclaw voicecall setup --apply" in reason
        await gone(pid_of(stage.programs.runs[1]))
    assert len(stage.programs.runs) == 2


@pytest.mark.scenario("F84")
@pytest.mark.parametrize("run", [{"ignore_term": True}, {"grandchild": True}])
async def test_stop_does_not_hang(stage: Stage, run: dict[str, object]) -> None:
    stage.programs.ngrok(run)
    async with asyncio.timeout(10):
        async with stage.expose(PAID):
            pass
    await gone(pid_of(stage.programs.runs[0]))
    if "grandchild" in run:
        await gone(int((stage.programs.folder / "grandchild").read_text("ascii")))


async def test_stop_while_it_opens_leaves_nothing_behind(stage: Stage) -> None:
    stage.programs.ngrok({"mute": True})
    opening = asyncio.get_running_loop().create_task(stage.expose(PAID).__aenter__())
    async with asyncio.timeout(10):
        await until(lambda: bool(stage.programs.runs))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    await gone(pid_of(stage.programs.runs[0]))
