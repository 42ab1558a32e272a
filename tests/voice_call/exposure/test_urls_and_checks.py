"""Which URLs follow from a configuration, and which configurations are refused or warned about."""

from collections.abc import Mapping

import pytest

from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.exposure.checks import (
    chosen_tunnel,
    exposure_problems,
    exposure_risks,
    refusals,
)
from openclaw_voice_call.exposure.urls import local_origin, plan_urls
from openclaw_voice_call.interfaces.exposure import PublicUrls
from openclaw_voice_call.plugin import VoiceCallPlugin

BASE = "plugins.entries.voice-call.config"
EMULATOR = {"baseUrl": "http://127.0.0.1:4010"}


def config_of(raw: Mapping[str, object]) -> VoiceCallConfig:
    config = parse_config(raw, {}).config
    assert config is not None
    return config


@pytest.mark.parametrize(
    ("public_url", "section", "webhook", "stream"),
    [
        ("https://v.example.com", {}, "/voice/webhook", "wss://v.example.com/voice/stream"),
        ("https://v.example.com/", {}, "/voice/webhook", "wss://v.example.com/voice/stream"),
        ("https://v.example.com:8443/hook", {}, "/hook", "wss://v.example.com:8443/voice/stream"),
        (
            "http://127.0.0.1:3334/voice/webhook",
            {},
            "/voice/webhook",
            "ws://127.0.0.1:3334/voice/stream",
        ),
        ("https://[2606:4700::1]/hook", {}, "/hook", "wss://[2606:4700::1]/voice/stream"),
        (
            "https://v.example.com/a/hook",
            {"publicUrl": "wss://media.example.com/b/audio"},
            "/a/hook",
            "wss://media.example.com/b/audio",
        ),
        (
            "https://v.example.com/a/hook",
            {"publicUrl": "https://v.example.com:8443", "streamPath": "/audio"},
            "/a/hook",
            "wss://v.example.com:8443/audio",
        ),
    ],
)
def test_the_stream_follows_the_webhook_or_what_the_owner_says(
    public_url: str, section: Mapping[str, object], webhook: str, stream: str
) -> None:
    planned = plan_urls(public_url, config_of({"streaming": dict(section)}))
    assert planned.webhook.endswith(webhook)
    assert planned.webhook.startswith(public_url.rstrip("/"))
    assert planned.stream == stream


def test_a_tunnel_may_publish_the_webhook_under_another_path() -> None:
    config = config_of({"serve": {"path": "/inside"}})
    planned = plan_urls("https://box.ts.net", config, "/outside")
    assert planned == PublicUrls("https://box.ts.net/outside", "wss://box.ts.net/voice/stream")


@pytest.mark.parametrize(
    ("bind", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:3334"),
        ("0.0.0.0", "http://127.0.0.1:3334"),
        ("::", "http://[::1]:3334"),
        ("fd00::1", "http://[fd00::1]:3334"),
        ("box", "http://box:3334"),
    ],
)
def test_where_this_machine_reaches_the_server(bind: str, origin: str) -> None:
    assert local_origin(bind, 3334) == origin


@pytest.mark.parametrize(
    ("section", "tunnel"),
    [
        ({}, None),
        ({"tunnel": {"provider": "ngrok"}}, "ngrok"),
        ({"tailscale": {"mode": "funnel"}}, "tailscale-funnel"),
        ({"tailscale": {"mode": "serve"}}, "tailscale-serve"),
        ({"tunnel": {"provider": "tailscale-serve"}}, "tailscale-serve"),
        ({"tunnel": {"provider": "ngrok"}, "tailscale": {"mode": "funnel"}}, "ngrok"),
        ({"publicUrl": "https://v.example.com", "tunnel": {"provider": "ngrok"}}, None),
    ],
)
def test_one_way_in_is_chosen(section: Mapping[str, object], tunnel: str | None) -> None:
    assert chosen_tunnel(config_of(section)) == tunnel


@pytest.mark.scenario("F80")
@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo"])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://localhost/x", "localhost is a name that only this machine"),
        ("https://127.0.0.1:8443", "127.0.0.1 is a loopback address"),
        ("https://0x7f.1/x", "0x7f.1 is a loopback address"),
        ("https://2130706433/x", "2130706433 is a loopback address"),
        ("https://10.0.0.5", "10.0.0.5 is a private address"),
        ("https://192.168.1.9./x", "192.168.1.9. is a private address"),
        ("https://169.254.10.1", "169.254.10.1 is a link-local address"),
        ("https://100.101.102.103", "100.101.102.103 is a shared address (100.64.0.0/10"),
        ("https://[::1]:8443/x", "::1 is a loopback address"),
        ("https://[fd12::1]", "fd12::1 is a unique local IPv6 address"),
        ("https://[::ffff:192.168.0.1]", "is a private address"),
        ("https://pbx.local", "pbx.local is a name that only this machine"),
    ],
)
def test_a_url_that_nobody_reaches_is_refused_and_at_home_only_warned_about(
    carrier: str, url: str, reason: str
) -> None:
    real = config_of({"provider": carrier, "publicUrl": url})
    (refusal,) = refusals(real)
    assert refusal.render().startswith(f"{BASE}.publicUrl: ")
    assert reason in refusal.render()
    assert refusal.remedy is not None
    at_home = config_of({"provider": carrier, carrier: EMULATOR, "publicUrl": url})
    assert refusals(at_home) == ()
    (warning,) = exposure_risks(at_home)
    assert reason in warning
    assert refusals(config_of({"provider": "mock", "publicUrl": url})) == ()


@pytest.mark.scenario("F80")
def test_the_stream_needs_a_url_that_the_world_reaches_too() -> None:
    streaming = {"enabled": True, "publicUrl": "wss://10.0.0.5/voice/stream"}
    section = {"provider": "telnyx", "publicUrl": "https://v.example.com", "streaming": streaming}
    (refusal,) = refusals(config_of(section))
    assert refusal.path == f"{BASE}.streaming.publicUrl"
    off = {**section, "streaming": {**streaming, "enabled": False}}
    assert refusals(config_of(off)) == ()


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.168.1.9", "100.64.0.9", "box.example.com"])
def test_unsigned_webhooks_are_refused_on_an_address_that_others_reach(bind: str) -> None:
    section = {"provider": "mock", "skipSignatureVerification": True, "serve": {"bind": bind}}
    (refusal,) = refusals(config_of(section))
    assert f"serve.bind {bind}" in refusal.render()
    assert refusal.severity == "error"


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_unsigned_webhooks_may_be_taken_on_loopback(bind: str) -> None:
    section = {"provider": "mock", "skipSignatureVerification": True, "serve": {"bind": bind}}
    assert refusals(config_of(section)) == ()


@pytest.mark.parametrize(
    ("way", "named"),
    [
        ({"publicUrl": "https://v.example.com"}, "publicUrl"),
        ({"tunnel": {"provider": "ngrok"}}, "tunnel.provider"),
        ({"tailscale": {"mode": "funnel"}}, "tailscale.mode"),
    ],
)
def test_unsigned_webhooks_in_public_are_warned_about_at_every_door(
    way: Mapping[str, object], named: str
) -> None:
    section = {"provider": "twilio", "skipSignatureVerification": True, **way}
    (line,) = exposure_risks(config_of(section))
    assert line.startswith(f"{BASE}.skipSignatureVerification: DANGER: with {named} ")
    said = [each.render() for each in VoiceCallPlugin().check_config(section, {})]
    assert line in said


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"publicUrl": "http://v.example.com"}, "publicUrl: not encrypted"),
        (
            {"publicUrl": "https://v.example.com", "tunnel": {"provider": "ngrok"}},
            "tunnel.provider: ngrok is not opened, because publicUrl is set",
        ),
        (
            {"tunnel": {"provider": "ngrok"}, "tailscale": {"mode": "serve"}},
            "tailscale.mode: not used, because tunnel.provider is set",
        ),
        ({"tailscale": {"mode": "serve"}}, "tailscale.mode: only your tailnet reaches serve"),
        ({"tunnel": {"provider": "tailscale-serve"}}, "tunnel.provider: only your tailnet"),
    ],
)
def test_what_cannot_work_as_it_stands_is_said(section: Mapping[str, object], text: str) -> None:
    (line,) = exposure_risks(config_of({"provider": "twilio", **section}))
    assert line.startswith(f"{BASE}.{text}")


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"tunnel": {"provider": "ngrok"}, "serve": {"port": 0}}, "serve.port: 0 takes any free"),
        (
            {"tailscale": {"mode": "funnel", "port": 9443}},
            "tailscale.port: Tailscale opens 443, 8443, 10000 to the internet, not 9443",
        ),
        ({}, "publicUrl: is required: the carrier must reach the webhook that is served on port"),
    ],
)
def test_settings_that_no_tunnel_can_work_with(section: Mapping[str, object], text: str) -> None:
    (problem,) = exposure_problems(config_of({"provider": "twilio", **section}))
    assert problem.render().startswith(f"{BASE}.{text}")
