"""What is wrong, or risky, about how a configuration makes the webhook server public. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from openclaw.sdk import ConfigProblem
from openclaw_voice_call.config.base import BASE_PATH
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.exposure.reach import Reach, reach_of, reach_of_url

FUNNEL_PORTS = (443, 8443, 10000)
"""The only ones that Tailscale opens to the internet."""


def chosen_tunnel(config: VoiceCallConfig) -> str | None:
    """The tunnel that is to be opened, by its name; None when `publicUrl` needs none."""
    if config.public_url is not None:
        return None
    if config.tunnel.provider != "none":
        return config.tunnel.provider
    if config.tailscale.mode != "off":
        return f"tailscale-{config.tailscale.mode}"
    return None


def refusals(config: VoiceCallConfig) -> tuple[ConfigProblem, ...]:
    """Settings with which the plugin does not start."""
    return tuple(_refusals(config))


def exposure_risks(config: VoiceCallConfig) -> tuple[str, ...]:
    """Settings that open a door or cannot work as they stand; one line each."""
    return tuple(f"{BASE_PATH}.{path}: {text}" for path, text in _risks(config))


def exposure_problems(config: VoiceCallConfig) -> tuple[ConfigProblem, ...]:
    """All of it for `config validate`: what is refused, what is missing, what is risky."""
    missing = no_exposure(config)
    return (
        *refusals(config),
        *(() if missing is None else (missing,)),
        *(
            ConfigProblem(f"{BASE_PATH}.{path}", text, severity="warning")
            for path, text in _risks(config)
        ),
    )


def no_exposure(config: VoiceCallConfig) -> ConfigProblem | None:
    """The way in that is missing. A warning: the host starts without it, the plugin does not."""
    if config.public_url is not None or chosen_tunnel(config) or config.provider in (None, "mock"):
        return None
    return ConfigProblem(
        f"{BASE_PATH}.publicUrl",
        "is required: the carrier must reach the webhook that is served on port "
        f"{config.serve.port}",
        remedy="or open a tunnel (tunnel.provider, tailscale.mode)",
        severity="warning",
    )


def must_be_public(config: VoiceCallConfig) -> bool:
    """True when the carrier is out there and calls us over the internet.

    A carrier whose API is on this machine or network (an emulator, a lab) is not.
    """
    if config.provider in (None, "mock"):
        return False
    section: object = getattr(config, config.provider)
    base_url: object = getattr(section, "base_url", None)
    return not isinstance(base_url, str) or reach_of_url(base_url) is Reach.PUBLIC


def unreachable(url: str) -> str | None:
    """Why the world cannot reach this URL; None when nothing speaks against it."""
    reach = reach_of_url(url)
    return None if reach is Reach.PUBLIC else f"{urlsplit(url).hostname} is {reach}"


def _refusals(config: VoiceCallConfig) -> Iterator[ConfigProblem]:
    bind = config.serve.bind
    if config.skip_signature_verification and not _is_this_machine(bind):
        yield ConfigProblem(
            f"{BASE_PATH}.skipSignatureVerification",
            f"cannot be combined with serve.bind {bind}: whoever reaches that address could place "
            "words in calls without any signature",
            remedy="set serve.bind to 127.0.0.1, or verify signatures",
        )
    if must_be_public(config):
        for path, url in _given_urls(config):
            reason = unreachable(url)
            if reason is not None:
                yield ConfigProblem(
                    f"{BASE_PATH}.{path}",
                    f"{reason}; {config.provider} calls it over the internet",
                    remedy="set the address that the internet reaches, or open a tunnel "
                    "(tunnel.provider, tailscale.mode)",
                )
    tunnel = chosen_tunnel(config)
    if tunnel is None:
        return
    if config.serve.port == 0:
        yield ConfigProblem(
            f"{BASE_PATH}.serve.port",
            f"0 takes any free port, and {tunnel} must know which",
            remedy="set a port, 3334 for example",
        )
    if tunnel == "tailscale-funnel" and config.tailscale.port not in FUNNEL_PORTS:
        yield ConfigProblem(
            f"{BASE_PATH}.tailscale.port",
            f"Tailscale opens {', '.join(map(str, FUNNEL_PORTS))} to the internet, not",
            config.tailscale.port,
        )


def _risks(config: VoiceCallConfig) -> Iterator[tuple[str, str]]:
    if config.provider != "mock":
        for path, url in _given_urls(config):
            if urlsplit(url).scheme not in ("https", "wss"):
                yield path, "not encrypted, so calls can be overheard and altered on the way"
            reason = unreachable(url)
            if reason is not None:
                yield path, reason
    tunnel = chosen_tunnel(config)
    if tunnel == "tailscale-serve" and must_be_public(config):
        yield (
            _setting(config),
            "only your tailnet reaches serve, and the carrier is not in it: use funnel",
        )
    if config.public_url is not None:
        for path, chosen in (
            ("tunnel.provider", config.tunnel.provider),
            ("tailscale.mode", config.tailscale.mode),
        ):
            if chosen not in ("none", "off"):
                yield path, f"{chosen} is not opened, because publicUrl is set and wins"
    elif config.tunnel.provider != "none" and config.tailscale.mode != "off":
        yield "tailscale.mode", "not used, because tunnel.provider is set and wins"
    if config.skip_signature_verification and (config.public_url or tunnel):
        way = "publicUrl" if config.public_url else _setting(config)
        danger = f"DANGER: with {way} the whole internet can fake calls to your agent, unsigned"
        yield "skipSignatureVerification", f"{danger}; remove one of the two"


def _is_this_machine(bind: str) -> bool:
    return bind.lower() == "localhost" or reach_of(bind) is Reach.LOOPBACK


def _given_urls(config: VoiceCallConfig) -> Iterator[tuple[str, str]]:
    if config.public_url is not None:
        yield "publicUrl", config.public_url
    if config.streaming.enabled and config.streaming.public_url is not None:
        yield "streaming.publicUrl", config.streaming.public_url


def _setting(config: VoiceCallConfig) -> str:
    return "tunnel.provider" if config.tunnel.provider != "none" else "tailscale.mode"
