"""Setting up at each carrier, from the command line: looking, pointing the number here, trying it,
and giving it back."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.customers import Emulator, customer_of
from tests.e2e.gateway import (
    GATEWAY_TOKEN,
    WEBHOOK_PATH,
    Finished,
    GatewayProcess,
    free_port,
    leaks,
)
from tests.emulators import plivo, telnyx, twilio
from tests.emulators.people import HangsUp, Person

OURS, CALLEE, CALLER = "+15550001234", "+15550005678", "+15550009876"
OLD = "https://old.example.com/answer"
GREETING = "Hello, you have reached us."
CARRIERS = ("twilio", "telnyx", "plivo")
ALL = pytest.mark.parametrize("carrier", CARRIERS)


@dataclass
class Company:
    """A carrier that knows our number, whose calls go elsewhere yet."""

    exchange: Emulator
    secrets: Sequence[str]
    state: Callable[[], object]
    """Where the calls to our number go."""


@asynccontextmanager
async def open_twilio(people: dict[str, Person]) -> AsyncGenerator[Company]:
    numbers = {OURS: twilio.Number(OLD, "GET", fallback_url=f"{OLD}/2")}
    settings = twilio.Settings(numbers=numbers, people=people)
    async with twilio.TwilioEmulator.start(settings) as exchange:
        secrets = (twilio.AUTH_TOKEN, twilio.ACCOUNT_SID)
        yield Company(exchange, secrets, lambda: exchange.numbers[OURS])


@asynccontextmanager
async def open_telnyx(people: dict[str, Person]) -> AsyncGenerator[Company]:
    settings = telnyx.Settings(
        numbers=frozenset({OURS}),
        connections={OURS: "999"},
        application=telnyx.Application(OLD, api_version="1"),
        people=people,
    )
    async with telnyx.TelnyxEmulator.start(settings) as exchange:
        secrets = (telnyx.API_KEY,)
        yield Company(exchange, secrets, lambda: (exchange.application, exchange.connections[OURS]))


@asynccontextmanager
async def open_plivo(people: dict[str, Person]) -> AsyncGenerator[Company]:
    settings = plivo.Settings(numbers={OURS: plivo.Number(OLD, "GET")}, people=people)
    async with plivo.PlivoEmulator.start(settings) as exchange:
        secrets = (plivo.AUTH_TOKEN, plivo.AUTH_ID)
        yield Company(exchange, secrets, lambda: exchange.numbers[OURS])


OPEN: dict[str, Callable[[dict[str, Person]], AbstractAsyncContextManager[Company]]] = {
    "twilio": open_twilio,
    "telnyx": open_telnyx,
    "plivo": open_plivo,
}


@asynccontextmanager
async def customer(
    carrier: str, folder: Path, people: dict[str, Person], **config: object
) -> AsyncGenerator[tuple[Company, GatewayProcess]]:
    """A gateway that is a new customer; at the end, what holds of every run."""
    port = free_port()
    async with OPEN[carrier](people) as company:
        section: dict[str, object] = {
            **customer_of(company.exchange),
            "fromNumber": OURS,
            "toNumber": CALLEE,
            "serve": {"port": port},
            "publicUrl": f"http://127.0.0.1:{port}{WEBHOOK_PATH}",
            "inboundPolicy": "open",
            "inboundGreeting": GREETING,
            "responseModel": "scripted/phone",
            "outbound": {"notifyHangupDelaySec": 0},
            **config,
        }
        file: dict[str, object] = {
            "models": {"providers": {"scripted": {}}},
            "plugins": {"entries": {"voice-call": {"enabled": True, "config": section}}},
        }
        gateway = GatewayProcess(folder, file)
        try:
            await gateway.start()
            yield company, gateway
            assert await gateway.stop() == 0, gateway.log
        finally:
            await gateway.close()
        assert company.exchange.violations == []
        assert not leaks(gateway.everything, (*company.secrets, GATEWAY_TOKEN))
        assert "Traceback" not in gateway.everything


async def levels(gateway: GatewayProcess, *options: str) -> dict[str, str]:
    """The worst level of each point, from the JSON that setup prints."""
    done = await gateway.voicecall("setup", "--json", *options)
    assert done.code == 0, done
    found = cast("list[dict[str, str]]", done.json["checks"])
    order = ["ok", "warn", "fail"]
    return {each["id"]: each["level"] for each in sorted(found, key=_rank(order))}


def _rank(order: Sequence[str]) -> Callable[[dict[str, str]], int]:
    return lambda check: order.index(check["level"])


def restore_command(done: Finished) -> list[str]:
    found = re.search(r"openclaw voicecall (setup --restore \S+)$", done.out, re.MULTILINE)
    assert found is not None, done.out
    return found[1].split()


@ALL
@pytest.mark.scenario("F76", "F81", carrier="twilio")
@pytest.mark.scenario("F76", "F81", carrier="telnyx")
@pytest.mark.scenario("F76", "F81", carrier="plivo")
async def test_the_number_is_looked_at_pointed_here_used_and_given_back(
    tmp_path: Path, carrier: str
) -> None:
    caller = Person(hangs_up=HangsUp(after_hearing="reached us"))
    async with customer(carrier, tmp_path, {}) as (company, gateway):
        exchange, as_it_was = company.exchange, company.state()
        before = await levels(gateway)
        assert before["inbound-route"] == "warn", before
        reached = ("account", "number", "webhook-reach", "gateway", "agent", "port", "state")
        assert {before[point] for point in reached} == {"ok"}, before
        offline = await levels(gateway, "--offline")
        assert offline["account"] == "warn", "nobody was asked"
        assert company.state() == as_it_was, "looking changes nothing"

        pointed = await gateway.voicecall("setup", "--apply", "--yes")
        assert pointed.code == 0, pointed
        assert f"{WEBHOOK_PATH}\n" in pointed.out
        assert company.state() != as_it_was
        assert (await levels(gateway))["inbound-route"] == "ok"
        exchange.call_in(CALLER, OURS, caller)
        await caller.wait_heard(GREETING)
        await exchange.wait_idle()

        back = await gateway.voicecall(*restore_command(pointed), "--yes")
        assert back.code == 0, back
        assert company.state() == as_it_was
        assert (await levels(gateway))["inbound-route"] == "warn"


@ALL
@pytest.mark.scenario("F76", carrier="twilio")
@pytest.mark.scenario("F76", carrier="telnyx")
@pytest.mark.scenario("F76", carrier="plivo")
async def test_one_short_call_is_placed_only_when_the_owner_says_yes(
    tmp_path: Path, carrier: str
) -> None:
    callee = Person()
    async with customer(carrier, tmp_path, {CALLEE: callee}) as (company, gateway):
        dry = await gateway.voicecall("smoke")
        assert dry.code == 0, dry
        assert f"dry run for {CALLEE}" in dry.out
        assert list(company.exchange.calls) == []
        done = await gateway.voicecall("smoke", "--yes", "--json")
        assert done.code == 0, done
        assert cast("dict[str, object]", done.json["liveCall"])["outcome"] == "completed"
        assert len(company.exchange.calls) == 1
        (text,) = callee.texts()
        assert text.startswith("This is a test call of OpenClaw")
        await company.exchange.wait_idle()


@ALL
async def test_live_audio_is_looked_at_with_the_rest(tmp_path: Path, carrier: str) -> None:
    streaming = {"enabled": True, "provider": "scripted"}
    voice = {"provider": "scripted"}
    async with customer(carrier, tmp_path, {}, streaming=streaming, tts=voice) as (_, gateway):
        found = await levels(gateway)
    assert (found["speech"], found["stream-reach"]) == ("ok", "ok")
    # TLS ends nowhere here, and carriers open nothing else.
    assert found["stream-exposure"] == "warn"
