"""Findings judged: each point as OK, WARN or FAIL, with what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from openclaw_voice_call.call.opening import InboundPolicy
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.config.base import BASE_PATH
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.notices import inactive, risks
from openclaw_voice_call.config.parse import ParsedConfig
from openclaw_voice_call.credentials import missing_credentials
from openclaw_voice_call.errors import CarrierError, CarrierRefused
from openclaw_voice_call.exposure import checks as exposure
from openclaw_voice_call.interfaces.carrier_setup import differing
from openclaw_voice_call.setup.findings import (
    AccountFindings,
    Certificate,
    Folder,
    Port,
    ProbeResult,
    Reached,
)
from openclaw_voice_call.setup.report import Check, fail, ok, warn

SKEW_WARN_S: Final = 30.0
SKEW_FAIL_S: Final = 240.0
"""Where a carrier signs the time, what seems to be signed more than 300 s ago is refused."""
EXPIRY_WARN_S: Final = 14 * 86_400.0
_WITH_POINTS_OF_THEIR_OWN: Final = tuple(
    f"{BASE_PATH}.{name}:" for name in ("skipSignatureVerification", "inboundPolicy", "allowFrom")
)
START: Final = "Start it with: openclaw gateway run"
APPLY: Final = "Point it here with: openclaw voicecall setup --apply"


def plugin(entry_enabled: bool, config: VoiceCallConfig | None) -> Iterator[Check]:
    if not entry_enabled:
        yield fail(
            "plugin-enabled",
            "the plugin is not switched on",
            "Switch it on with: openclaw plugins enable voice-call",
        )
    elif config is not None and not config.enabled:
        yield fail(
            "plugin-enabled",
            "plugins.entries.voice-call.config.enabled is false",
            "Remove it, or set it to true.",
        )
    else:
        yield ok("plugin-enabled", "the plugin is switched on")


def section(parsed: ParsedConfig) -> Iterator[Check]:
    for problem in parsed.problems:
        yield fail("config", problem.render(), "See: openclaw config validate")
    for warning in parsed.warnings:
        yield warn("config", warning)
    config = parsed.config
    if config is None:
        return
    refused = exposure.refusals(config)
    for problem in refused:
        yield fail("config", problem.render())
    for line in (*inactive(config), *risks(config)):
        if not line.startswith(_WITH_POINTS_OF_THEIR_OWN):
            yield warn("config", line)
    for line in exposure.exposure_risks(config):
        yield warn("config", line)
    if not refused:
        yield ok("config", "the section is valid")


def provider(config: VoiceCallConfig, environ: Mapping[str, str]) -> Iterator[Check]:
    """The carrier is named, and every credential that it needs is there (F79)."""
    missing = missing_credentials(config, environ)
    if config.provider is not None:
        yield ok("provider", f"calls go through {config.provider}")
    for each in missing:
        point = "provider" if each.path == "provider" else "provider-config"
        yield fail(point, str(each), "Set it with: openclaw config set, or in the environment.")
    if not missing:
        yield ok("provider-config", "every credential that it needs is set")


def signatures(config: VoiceCallConfig) -> Iterator[Check]:
    if config.skip_signature_verification:
        yield warn(
            "signatures",
            "webhooks are NOT verified (skipSignatureVerification): anybody who reaches the "
            "webhook server can place words in calls",
            "Remove skipSignatureVerification.",
        )
    else:
        yield ok("signatures", "webhooks without the carrier's signature are refused")


def account(found: AccountFindings, name: str) -> Iterator[Check]:
    report = found.account
    if isinstance(report, CarrierRefused):
        yield fail("account", str(report), report.remedy or "Check the credentials.")
    elif isinstance(report, CarrierError):
        yield fail("account", str(report), report.remedy or f"Check the network to {name}.")
    elif not report.usable:
        yield fail(
            "account",
            f"the account {report.account} is {report.state}",
            f"Put it in order in the console of {name}.",
        )
    else:
        yield ok("account", f"the credentials open the account {report.account}")
        for remark in report.remarks:
            yield warn("account", remark)
    if not isinstance(report, CarrierError) and report.server_time is not None:
        yield _clock(found.asked_at - report.server_time, name)


def _clock(ahead_s: float, name: str) -> Check:
    # The header has whole seconds, and the answer was under way.
    skew = abs(ahead_s)
    if skew <= SKEW_WARN_S:
        return ok("clock", f"this machine's clock agrees with that of {name}")
    text = f"this machine's clock is {skew:.0f} s {'ahead of' if ahead_s > 0 else 'behind'} {name}"
    remedy = "Synchronise it (NTP): signatures carry the time, and old ones are refused."
    return (fail if skew > SKEW_FAIL_S else warn)("clock", text, remedy)


def number(found: AccountFindings, config: VoiceCallConfig, name: str) -> Iterator[Check]:
    routing = found.routing
    if isinstance(routing, CarrierError):
        yield fail("number", str(routing), routing.remedy)
        return
    if routing is None:
        yield fail(
            "number",
            f"the account does not own {found.number}",
            "Set fromNumber to a number of this account, in E.164.",
        )
        return
    if not routing.voice:
        yield fail(
            "number",
            f"{found.number} cannot carry calls",
            f"Buy a number with voice at {name}, and set fromNumber.",
        )
    else:
        yield ok("number", f"the account owns {found.number}, and it carries calls")
    if found.aimed is None:
        return
    changes = differing(routing, found.aimed)
    if not changes:
        yield ok("inbound-route", f"calls to {found.number} come to this gateway")
    elif config.inbound_policy is InboundPolicy.DISABLED:
        yield ok(
            "inbound-route",
            f"calls to {found.number} do not come here, and none are wanted (inboundPolicy)",
        )
    else:
        names = ", ".join(new.name for _, new in changes)
        yield warn("inbound-route", f"calls to {found.number} do not come here: {names}", APPLY)
        for remark in routing.remarks:
            yield warn("inbound-route", remark, APPLY)


def exposed(config: VoiceCallConfig, webhook_url: str | None) -> Iterator[Check]:
    """Whether the world could reach the URL at all (F80)."""
    if webhook_url is None:
        tunnel = exposure.chosen_tunnel(config)
        if tunnel is not None:
            yield warn("webhook-exposure", f"{tunnel} gives the URL when the gateway runs", START)
        elif config.provider != "mock":
            yield fail(
                "webhook-exposure",
                "no publicUrl and no tunnel, so the carrier cannot reach the webhook",
                "Set publicUrl, or open a tunnel (tunnel.provider, tailscale.mode).",
            )
        return
    reason = exposure.unreachable(webhook_url)
    if reason is None:
        yield ok("webhook-exposure", f"the webhook URL is {shown_url(webhook_url)}")
    elif exposure.must_be_public(config):
        yield fail(
            "webhook-exposure",
            f"{reason}; {config.provider} calls it over the internet",
            "Set publicUrl to the address that the internet reaches, or open a tunnel.",
        )
    elif config.provider == "mock":
        yield ok("webhook-exposure", "the mock carrier calls this machine")
    else:
        yield warn("webhook-exposure", f"{reason}, as is the carrier's API")


def reachable(result: ProbeResult | None, webhook_url: str | None) -> Iterator[Check]:
    if webhook_url is None:
        return
    where = shown_url(webhook_url)
    if result is None:
        yield warn("webhook-reach", "not tried: no gateway with this plugin is running", START)
        return
    match result.reached:
        case Reached.OURSELVES | Reached.NO_UPGRADE:
            yield ok("webhook-reach", f"{where} reaches this gateway")
        case Reached.ANOTHER:
            yield fail(
                "webhook-reach",
                f"{where} is answered by somebody else ({result.detail})",
                "Point the host name, tunnel or proxy at serve.port of this gateway, and have it "
                "pass POST requests and their headers on.",
            )
        case Reached.REDIRECT:
            yield fail(
                "webhook-reach",
                f"{where} redirects ({result.detail}); a redirected webhook loses its signature",
                "Set publicUrl to the address at which the redirects end.",
            )
        case Reached.NOBODY:
            yield fail(
                "webhook-reach",
                f"{where} cannot be reached from here: {result.detail}",
                "Check the tunnel or proxy. If this network cannot call its own public address, "
                "look at it from outside.",
            )


def certificate(found: Certificate | None, webhook_url: str | None, now: float) -> Iterator[Check]:
    if webhook_url is None or urlsplit(webhook_url).scheme != "https" or found is None:
        return
    renew = "Renew the certificate where TLS ends: the proxy or the tunnel."
    if found.problem is not None:
        yield fail("tls", f"the TLS handshake fails: {found.problem}", renew)
    elif found.expires_at is None:
        yield warn("tls", "the certificate does not say when it expires")
    else:
        days = (found.expires_at - now) / 86_400
        if found.expires_at - now < EXPIRY_WARN_S:
            yield warn("tls", f"the certificate expires in {days:.1f} days", renew)
        else:
            yield ok("tls", f"the certificate is valid for {days:.0f} days")


def inbound(config: VoiceCallConfig, approved: int) -> Iterator[Check]:
    policy = config.inbound_policy
    listed = len(config.allow_from)
    match policy:
        case InboundPolicy.DISABLED:
            yield ok("inbound", "nobody may call (inboundPolicy disabled)")
        case InboundPolicy.OPEN:
            yield warn(
                "inbound",
                "everybody who knows the number may talk to the agent (inboundPolicy open)",
                'Use "allowlist" or "pairing".',
            )
        case InboundPolicy.ALLOWLIST if not listed:
            yield warn("inbound", "the allowlist is empty, so nobody may call", "Set allowFrom.")
        case InboundPolicy.ALLOWLIST:
            yield ok("inbound", f"{listed} {_plural(listed, 'number')} may call")
        case InboundPolicy.PAIRING:
            known = listed + approved
            yield ok(
                "inbound",
                f"{known} {_plural(known, 'number')} may call; others hear a code, see: "
                "openclaw voicecall pairing list",
            )


def agent(asked: bool, reason: str | None, config: VoiceCallConfig) -> Iterator[Check]:
    model = config.response_model or "its own model"
    if not asked:
        yield warn("agent", "not asked: no gateway is running", START)
    elif reason is not None:
        needed = (
            config.outbound.default_mode is Mode.CONVERSATION
            or config.inbound_policy is not InboundPolicy.DISABLED
        )
        yield (fail if needed else warn)(
            "agent",
            f"the agent {config.agent_id} could not answer with {model}: {reason}",
            "Set the model's key, or another responseModel. Notify calls work without it.",
        )
    else:
        yield ok("agent", f"the agent {config.agent_id} answers with {model}")


def mode(config: VoiceCallConfig) -> Iterator[Check]:
    yield ok("mode", f"a call that names no mode is a {config.outbound.default_mode} call")


def port(found: Port) -> Iterator[Check]:
    where = f"{found.bind}:{found.port}"
    if found.ours:
        yield ok("port", f"this gateway's webhook server listens on {where}")
    elif found.holder is None:
        yield ok("port", f"{where} is free")
    else:
        yield fail(
            "port",
            f"the webhook server cannot listen on {where}: {found.holder}",
            "Stop what uses the port, or change serve.port and serve.bind.",
        )


def folder(found: Folder) -> Iterator[Check]:
    if found.problem is None:
        yield ok("state", f"{found.path} can be written")
    else:
        yield fail(
            "state",
            f"{found.path} cannot be written: {found.problem}",
            "Give this user the folder, or set store to another one.",
        )


def gateway(problem: str | None, *, here: bool) -> Iterator[Check]:
    """`here`: this is the gateway's process. `problem`: why the plugin does not run in it."""
    if not here:
        yield warn("gateway", "no gateway is running, so not all can be checked", START)
    elif problem is not None:
        yield fail("gateway", f"the plugin does not run: {problem}", "See: openclaw logs")
    else:
        yield ok("gateway", "the plugin runs")


def shown_url(url: str) -> str:
    """A URL without the user and password that it may carry."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=f"...@{parts.netloc.rpartition('@')[2]}").geturl()


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
