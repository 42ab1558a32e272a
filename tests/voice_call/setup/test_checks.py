"""Findings judged: what is said of each, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.errors import CarrierRefused, CarrierUnreachable
from openclaw_voice_call.interfaces.carrier_setup import AccountReport, Routing, Setting
from openclaw_voice_call.setup import checks
from openclaw_voice_call.setup.findings import AccountFindings, Certificate, Folder, Port
from openclaw_voice_call.setup.report import Check, Level, as_json

NOW = 1_700_000_000.0
OURS, HERE = "+15550001234", "https://voice.example.com/voice/webhook"
GOOD = AccountReport("AC...cdef", "active", usable=True, server_time=NOW)
LED_AWAY = Routing(OURS, True, (Setting("Numbers/1", "VoiceUrl", "https://x.example.com"),))
LED_HERE = Routing(OURS, True, (Setting("Numbers/1", "VoiceUrl", HERE),))


def config(**section: object) -> VoiceCallConfig:
    parsed = parse_config({"provider": "mock", **section}, {})
    assert parsed.config is not None, parsed.problems
    return parsed.config


def levels(found: Iterable[Check]) -> list[tuple[str, str]]:
    """Each with its remedy where the owner has to do something."""
    listed = list(found)
    for check in listed:
        assert check.level is not Level.FAIL or check.remedy, check
    return [(check.id, check.level.value) for check in listed]


@pytest.mark.parametrize(
    ("ahead_s", "level"),
    [(0, "ok"), (-30, "ok"), (31, "warn"), (-240, "warn"), (241, "fail"), (-4000, "fail")],
)
def test_a_clock_may_differ_a_little(ahead_s: float, level: str) -> None:
    found = list(checks.account(AccountFindings(NOW + ahead_s, GOOD, OURS), "telnyx"))
    assert levels(found) == [("account", "ok"), ("clock", level)]
    if level != "ok":
        direction = "ahead of" if ahead_s > 0 else "behind"
        assert f"{abs(ahead_s)} s {direction} telnyx" in found[1].message


@pytest.mark.parametrize(
    ("report", "level"),
    [
        (AccountReport("A", "suspended", usable=False), "fail"),
        (CarrierRefused("no such account", status=401), "fail"),
        (CarrierUnreachable("cannot be reached"), "fail"),
        (AccountReport("A", "active", usable=True), "ok"),
    ],
)
def test_an_account_is_usable_or_not(
    report: AccountReport | CarrierRefused | CarrierUnreachable, level: str
) -> None:
    found = checks.account(AccountFindings(NOW, report, OURS), "twilio")
    assert levels(found) == [("account", level)]


def test_a_number_is_ours_carries_calls_and_leads_here() -> None:
    def judged(routing: Routing | CarrierUnreachable | None, **section: object) -> object:
        aimed = LED_HERE if isinstance(routing, Routing) else None
        found = AccountFindings(NOW, GOOD, OURS, routing, aimed)
        return levels(checks.number(found, config(**section), "twilio"))

    assert judged(LED_HERE) == [("number", "ok"), ("inbound-route", "ok")]
    assert judged(LED_AWAY) == [("number", "ok"), ("inbound-route", "ok")], "none are wanted"
    wanted = {"inboundPolicy": "pairing"}
    assert judged(LED_AWAY, **wanted) == [("number", "ok"), ("inbound-route", "warn")]
    mute = Routing(OURS, False, LED_HERE.settings)
    assert judged(mute) == [("number", "fail"), ("inbound-route", "ok")]
    assert judged(None) == [("number", "fail")]
    trunked = Routing(OURS, True, LED_AWAY.settings, ("calls go to a SIP trunk",))
    assert judged(trunked, **wanted) == [
        ("number", "ok"),
        ("inbound-route", "warn"),
        ("inbound-route", "warn"),
    ]


def test_a_number_that_could_not_be_asked_for_fails() -> None:
    error = CarrierUnreachable("Twilio cannot be reached")
    (found,) = checks.number(AccountFindings(NOW, error, OURS, error), config(), "twilio")
    assert (found.id, found.level, found.message) == ("number", Level.FAIL, str(error))


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (Certificate(expires_at=NOW + 15 * 86_400), "ok"),
        (Certificate(expires_at=NOW + 13 * 86_400), "warn"),
        (Certificate(problem="self-signed certificate"), "fail"),
        (Certificate(), "warn"),
    ],
)
def test_a_certificate_is_good_for_a_while(found: Certificate, level: str) -> None:
    assert levels(checks.certificate(found, HERE, NOW)) == [("tls", level)]
    assert levels(checks.certificate(found, "http://127.0.0.1/", NOW)) == []


@pytest.mark.parametrize(
    ("section", "approved", "level", "said"),
    [
        ({}, 0, "ok", "nobody may call"),
        ({"inboundPolicy": "open"}, 0, "warn", "everybody"),
        ({"inboundPolicy": "allowlist"}, 3, "warn", "the allowlist is empty"),
        ({"inboundPolicy": "allowlist", "allowFrom": [OURS]}, 3, "ok", "1 number may call"),
        ({"inboundPolicy": "pairing", "allowFrom": [OURS]}, 1, "ok", "2 numbers may call"),
    ],
)
def test_who_may_call_is_said(
    section: dict[str, object], approved: int, level: str, said: str
) -> None:
    (found,) = checks.inbound(config(**section), approved)
    assert (found.level, said in found.message) == (level, True)


@pytest.mark.parametrize(
    ("section", "level"),
    [
        ({}, "warn"),
        ({"outbound": {"defaultMode": "conversation"}}, "fail"),
        ({"inboundPolicy": "open"}, "fail"),
    ],
)
def test_an_agent_that_cannot_answer_matters_where_it_must(
    section: dict[str, object], level: str
) -> None:
    assert levels(checks.agent(True, "no key", config(**section))) == [("agent", level)]
    assert levels(checks.agent(True, None, config(**section))) == [("agent", "ok")]
    assert levels(checks.agent(False, None, config(**section))) == [("agent", "warn")]


def test_ports_and_folders() -> None:
    assert levels(checks.port(Port("127.0.0.1", 3334, None))) == [("port", "ok")]
    assert levels(checks.port(Port("127.0.0.1", 3334, None, ours=True))) == [("port", "ok")]
    assert levels(checks.port(Port("127.0.0.1", 3334, "in use"))) == [("port", "fail")]
    assert levels(checks.folder(Folder("/x", None))) == [("state", "ok")]
    assert levels(checks.folder(Folder("/x", "read-only"))) == [("state", "fail")]


@pytest.mark.scenario("F80")
def test_a_carrier_without_a_way_in_fails_and_a_tunnel_is_waited_for() -> None:
    twilio = {"provider": "twilio", "fromNumber": OURS}
    assert levels(checks.exposed(config(**twilio), None)) == [("webhook-exposure", "fail")]
    tunnelled = config(**twilio, tunnel={"provider": "ngrok"})
    assert levels(checks.exposed(tunnelled, None)) == [("webhook-exposure", "warn")]
    assert levels(checks.exposed(config(**twilio), HERE)) == [("webhook-exposure", "ok")]


@pytest.mark.scenario("F99")
def test_verification_that_is_skipped_is_said_and_refused_beyond_loopback() -> None:
    (found,) = checks.signatures(config(skipSignatureVerification=True))
    assert (found.level, "NOT verified" in found.message) == (Level.WARN, True)
    section = {"provider": "mock", "skipSignatureVerification": True}
    open_door = parse_config({**section, "serve": {"bind": "0.0.0.0"}}, {})
    assert ("config", "fail") in [(c.id, c.level.value) for c in checks.section(open_door)]


@pytest.mark.scenario("F81")
def test_a_password_in_a_url_is_not_shown() -> None:
    assert (
        checks.shown_url("https://me:secret@x.example.com/a?b") == "https://...@x.example.com/a?b"
    )
    assert checks.shown_url(HERE) == HERE


@pytest.mark.scenario("F76")
def test_the_report_is_ok_unless_something_fails() -> None:
    good, risky = Check("a", Level.OK, "A"), Check("b", Level.WARN, "B", "do")
    assert as_json([good, risky]) == {
        "ok": True,
        "checks": [
            {"id": "a", "ok": True, "level": "ok", "message": "A"},
            {"id": "b", "ok": True, "level": "warn", "message": "B", "remedy": "do"},
        ],
    }
    assert as_json([good, Check("c", Level.FAIL, "C", "do")])["ok"] is False
