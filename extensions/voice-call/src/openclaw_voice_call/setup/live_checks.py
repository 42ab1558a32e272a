"""Live audio judged: who hears, who speaks, and whether the carrier's stream comes here. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.exposure import checks as exposure
from openclaw_voice_call.setup.checks import START, shown_url
from openclaw_voice_call.setup.findings import ProbeResult, Reached, SpeechFindings
from openclaw_voice_call.setup.report import Check, fail, ok, warn

MEANWHILE: Final = (
    "Set it with: openclaw config set, or in the environment. Until then calls use the carrier's "
    "own voice and recognition."
)
SAME_PLACE: Final = (
    "Point the host name, tunnel or proxy at serve.port of this gateway for the stream path too; "
    "where a proxy rewrites paths, set streaming.publicUrl to what it makes of the stream path."
)


def speech(found: SpeechFindings | None) -> Iterator[Check]:
    """Live audio needs an ear and a voice (F4); None where it is off."""
    if found is None:
        yield ok("speech", "the carrier speaks and listens; no speech keys are needed")
        return
    if found.recogniser_problem is not None:
        yield fail("speech", found.recogniser_problem, MEANWHILE)
    else:
        yield ok("speech", f"{found.recogniser} recognises speech on live calls")
    for warning in found.voice_warnings:
        yield warn("speech", warning)
    if found.voice_problem is not None:
        yield fail("speech", found.voice_problem, MEANWHILE)
    else:
        first, *others = found.voices
        after = f", {' and '.join(others)} after it" if others else ""
        yield ok("speech", f"{first} speaks first on live calls{after}")


def exposed(config: VoiceCallConfig, stream_url: str | None) -> Iterator[Check]:
    """Whether the world could reach the stream URL at all (F80). Without a URL the webhook has
    none either, which is said there."""
    if stream_url is None:
        return
    where, reason = shown_url(stream_url), exposure.unreachable(stream_url)
    real = exposure.must_be_public(config)
    if reason is not None and real:
        yield fail(
            "stream-exposure",
            f"{reason}; {config.provider} opens {where} over the internet",
            "Set publicUrl or streaming.publicUrl to the address that the internet reaches.",
        )
    elif urlsplit(stream_url).scheme != "wss" and config.provider != "mock":
        yield (fail if real else warn)(
            "stream-exposure",
            f"the stream URL is {where}, and {config.provider} opens streams over TLS only (wss)",
            "Set publicUrl to an https address, or streaming.publicUrl to a wss one.",
        )
    else:
        yield ok("stream-exposure", f"the stream URL is {where}")


def reachable(result: ProbeResult | None, stream_url: str | None) -> Iterator[Check]:
    """`result` is None where no gateway with live audio runs."""
    if stream_url is None:
        return
    where = shown_url(stream_url)
    if result is None:
        yield warn("stream-reach", "not tried: no gateway with live audio is running", START)
        return
    match result.reached:
        case Reached.OURSELVES:
            yield ok("stream-reach", f"{where} reaches this gateway")
        case Reached.NO_UPGRADE:
            yield fail(
                "stream-reach",
                f"{where} reaches this gateway, but not as a websocket",
                "Have the proxy pass the Upgrade and Connection headers on, over HTTP/1.1.",
            )
        case Reached.ANOTHER:
            yield fail(
                "stream-reach",
                f"{where} is answered by somebody else ({result.detail})",
                SAME_PLACE,
            )
        case Reached.REDIRECT:
            yield fail(
                "stream-reach",
                f"{where} redirects ({result.detail}), which carriers do not follow",
                "Set streaming.publicUrl to the address at which the redirects end.",
            )
        case Reached.NOBODY:
            yield fail(
                "stream-reach",
                f"{where} cannot be reached from here: {result.detail}",
                SAME_PLACE,
            )
