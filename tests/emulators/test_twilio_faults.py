"""When things go wrong: on purpose, or because the gateway is slow or away."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import aiohttp
import msgspec
import pytest
from aiohttp import web

from tests.emulators.faults import (
    Delay,
    Disconnect,
    Drop,
    Fail,
    FaultPlan,
    Hang,
    LoseAnswer,
    Postpone,
    Repeat,
    RestFault,
)
from tests.emulators.gateway_double import (
    EVENTS,
    HELLO,
    THEM,
    US,
    WAIT,
    Seen,
    WebhookApp,
    create,
    dial,
    emulator,
    update,
)
from tests.emulators.twilio import AUTH_TOKEN, Number, Person, Settings, TwilioEmulator, Webhook

TOKEN = "I-Twilio-Idempotency-Token"
SIGNATURE = "X-Twilio-Signature"


def is_status(status: str) -> Callable[[Webhook], bool]:
    return lambda webhook: webhook.kind == "status" and ("CallStatus", status) in webhook.params


def statuses(app: WebhookApp) -> list[str]:
    return [seen.form["CallStatus"] for seen in app.at("/status")]


async def told(twilio: TwilioEmulator, app: WebhookApp) -> None:
    """One short call whose every step is told."""
    pause = '<Response><Pause length="2"/></Response>'
    await dial(
        twilio, Twiml=pause, StatusCallback=app.origin + "/status", StatusCallbackEvent=EVENTS
    )
    await twilio.wait_idle()


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_repeated_webhook_is_the_same_to_the_last_byte(
    app: WebhookApp, *, at_once: bool
) -> None:
    async with emulator(app) as twilio:
        rule = twilio.faults.webhooks.add(
            Repeat(times=2, at_once=at_once), when=is_status("completed")
        )
        await told(twilio, app)
        assert rule.hits == 1
    first, *again = [s for s in app.seen if s.form["CallStatus"] == "completed"]
    assert len(again) == 2
    for other in again:
        assert other.params == first.params
        assert other.headers[SIGNATURE] == first.headers[SIGNATURE]
        assert other.headers[TOKEN] == first.headers[TOKEN]
    assert len({seen.headers[TOKEN] for seen in app.seen}) == 4


async def test_webhooks_are_dropped_delayed_and_reordered(app: WebhookApp) -> None:
    async with emulator(app, speed=20) as twilio:
        twilio.faults.webhooks.add(Drop(), when=is_status("initiated"))
        twilio.faults.webhooks.add(Postpone(), when=is_status("ringing"))
        await told(twilio, app)
        assert statuses(app) == ["in-progress", "ringing", "completed"]

        app.seen.clear()
        twilio.faults.webhooks.clear()
        twilio.faults.webhooks.add(Delay(0.5), when=is_status("in-progress"), times=1)
        await told(twilio, app)
        assert statuses(app) == ["initiated", "ringing", "completed", "in-progress"]


def test_chance_is_repeatable() -> None:
    def hits(seed: int) -> list[int]:
        plan: FaultPlan[int, str] = FaultPlan(Random(seed))
        plan.add("drop", probability=0.3)
        return [number for number in range(100) if plan.strike(number)]

    assert hits(1) == hits(1) != hits(2)
    assert 15 < len(hits(1)) < 45


async def test_a_dropped_document_ends_the_call_with_an_alert(app: WebhookApp) -> None:
    async with emulator(app) as twilio:
        twilio.faults.webhooks.add(Drop(), when=lambda webhook: webhook.kind == "document")
        await dial(twilio, Url=app.answer("/voice", HELLO))
        await twilio.wait_idle()
        assert [alert.code for alert in twilio.alerts] == [11205]
    assert app.seen == []


@pytest.mark.parametrize(
    ("fragment", "attempts"),
    [("", 1), ("#rc=2", 1), ("#rc=2&rp=5xx", 3), ("#rc=5&rp=all", 4), ("#rc=2&rp=4xx", 1)],
)
async def test_retries_follow_the_overrides_of_the_url(
    app: WebhookApp, fragment: str, attempts: int
) -> None:
    broken = web.Response(status=503)
    url = app.answer("/voice", broken, broken, broken, HELLO)
    async with emulator(app) as twilio:
        await dial(twilio, Url=url + fragment)
        await twilio.wait_idle()
        assert [delivery.attempt for delivery in twilio.deliveries] == [*range(1, attempts + 1)]
        assert bool(twilio.alerts) is (attempts < 4)
        assert twilio.violations == []
    assert [seen.path for seen in app.seen] == ["/voice"] * attempts
    assert len({seen.headers[TOKEN] for seen in app.seen}) == 1
    assert len({seen.headers[SIGNATURE] for seen in app.seen}) == 1


async def test_an_answer_that_comes_too_late_is_no_answer(app: WebhookApp) -> None:
    async def slow(_: Seen) -> str:
        await asyncio.sleep(5)
        return HELLO

    async with emulator(app) as twilio:
        await dial(twilio, Url=app.answer("/voice", slow) + "#tt=100")
        await twilio.wait_idle(within=3)
        assert [alert.code for alert in twilio.alerts] == [11205]


async def test_calls_outlive_the_gateway() -> None:
    app = WebhookApp()
    ask = '<Response><Gather input="speech" action="/heard"/></Response>'
    them = Person(["are you there"])
    async with app.serve():
        settings = Settings(
            numbers={US: Number(app.origin + "/in")}, people={THEM: them}, speed=100, retry_gap=0.2
        )
    app.answer("/voice", ask)
    app.answer("/heard", HELLO)
    async with TwilioEmulator.start(settings) as twilio:
        twilio.hold_webhooks()
        sid = await dial(twilio, Url=f"{app.origin}/voice#rc=5&rp=ct,rt")
        await twilio.wait_for(sid, "in-progress")
        twilio.release_webhooks()
        await twilio.until(lambda: len(twilio.deliveries) == 2, "a retry")
        assert twilio.deliveries[0].outcome == "ct"
        assert not twilio.call(sid).over
        async with app.serve():
            await them.wait_heard("hello")
            await twilio.wait_idle()
        assert twilio.alerts == []


@pytest.mark.parametrize(
    ("fault", "error", "placed"),
    [
        (Disconnect(), aiohttp.ServerDisconnectedError, 0),
        (Hang(0.05), aiohttp.ServerDisconnectedError, 0),
        (LoseAnswer(), aiohttp.ServerDisconnectedError, 1),
        (Hang(), TimeoutError, 0),
        (LoseAnswer(hang=True), TimeoutError, 1),
    ],
)
async def test_the_api_loses_requests_or_answers(
    app: WebhookApp, fault: RestFault, error: type[Exception], placed: int
) -> None:
    async with emulator(app) as twilio:
        twilio.faults.rest.add(fault, when=lambda request: request.operation == "create", times=1)
        with pytest.raises(error):
            await asyncio.wait_for(create(twilio, Twiml=WAIT), 0.3)
        assert len(twilio.calls) == placed
        assert twilio.requests[0].status is None
        await dial(twilio, Twiml=WAIT)
        assert len(twilio.calls) == placed + 1


async def test_the_api_fails_and_limits(app: WebhookApp) -> None:
    async with emulator(app) as twilio:
        limit = Fail(429, 20429, "Too Many Requests", headers=(("Retry-After", "1"),))
        twilio.faults.rest.add(limit, times=2)
        refusals = [await create(twilio, Twiml=WAIT) for _ in range(2)]
        assert [(status, body["code"]) for status, body in refusals] == [(429, 20429)] * 2
        sid = await dial(twilio, Twiml=WAIT)
        twilio.faults.rest.add(Fail(500, 20500), when=lambda request: "Status" in request.form)
        assert (await update(twilio, sid, Status="completed"))[0] == 500
        assert not twilio.call(sid).over


async def test_attackers_have_their_tools(app: WebhookApp) -> None:
    async with emulator(app) as twilio:
        sid = await dial(twilio, Url=app.answer("/voice", HELLO))
        await twilio.wait_idle()
        genuine = twilio.deliveries[0]
        await twilio.replay(genuine)
        await twilio.replay(genuine, headers={TOKEN: "another"})
        forged = await twilio.post(genuine.url, {"CallSid": sid, "From": ""}, signature="wrong")
        await twilio.post(genuine.url, {"CallSid": sid}, signature="")
        signed = await twilio.post(genuine.url, (("a", "2"), ("a", "1")), headers={"X-More": "1"})
    first, same, other, fourth, fifth, sixth = app.seen
    assert (same.params, same.headers) == (first.params, first.headers)
    assert other.headers[SIGNATURE] == first.headers[SIGNATURE]
    assert other.headers[TOKEN] == "another"
    assert (fourth.headers[SIGNATURE], forged.status) == ("wrong", 200)
    assert SIGNATURE not in fifth.headers
    assert sixth.headers["X-More"] == "1"
    assert sixth.headers[SIGNATURE] == twilio.sign(genuine.url, (("a", "1"), ("a", "2")))
    assert signed.body == HELLO


async def test_leaving_cuts_short_whatever_goes_on(app: WebhookApp) -> None:
    async def never(_: Seen) -> str:
        await asyncio.sleep(30)
        return HELLO

    async with asyncio.timeout(3), emulator(app) as twilio:
        await dial(twilio, Url=app.answer("/voice", never))
        await dial(twilio, Twiml=WAIT)
        await twilio.until(lambda: len(twilio.deliveries) == 1, "a request under way")
        twilio.faults.rest.add(Hang())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(create(twilio, Twiml=WAIT), 0.1)


async def test_it_runs_alone(app: WebhookApp, tmp_path: Path) -> None:
    url = app.answer("/in", '<Response><Gather input="speech" action="/heard"/></Response>')
    app.answer("/heard", HELLO)
    script = tmp_path / "people.json"
    caller = {"from": THEM, "to": US, "person": {"says": ["me", None]}}
    numbers = {US: {"voice_url": url}}
    script.write_bytes(msgspec.json.encode({"numbers": numbers, "calls_in": [caller]}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.emulators.twilio", "--script", str(script), "--speed", "100",
        env={**os.environ, "TWILIO_AUTH_TOKEN": AUTH_TOKEN},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(10):
        async for line in process.stdout:
            lines.append(line.decode())
            if "completed" in lines[-1]:
                break
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert lines[0].startswith("Twilio emulator at http://127.0.0.1:")
    assert any("hears say" in line and "hello" in line for line in lines)
    assert app.at("/heard")[0].form["SpeechResult"] == "me"
