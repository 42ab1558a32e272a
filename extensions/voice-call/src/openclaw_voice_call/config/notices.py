"""What the owner is told at start about a configuration that is valid. Pure."""

from collections.abc import Iterator

from openclaw_voice_call.call.opening import InboundPolicy
from openclaw_voice_call.call.phone import normalise
from openclaw_voice_call.config.base import BASE_PATH
from openclaw_voice_call.config.model import VoiceCallConfig


def inactive(config: VoiceCallConfig) -> tuple[str, ...]:
    """Settings that are checked and have no effect, one line each."""
    return tuple(f"{BASE_PATH}.{line}" for line in _inactive(config))


def risks(config: VoiceCallConfig) -> tuple[str, ...]:
    """Settings that open a door, or that cannot work as they stand; one line each."""
    return tuple(f"{BASE_PATH}.{line}" for line in _risks(config))


def _inactive(config: VoiceCallConfig) -> Iterator[str]:
    if "stt" in config.model_fields_set:
        yield "stt: has no effect; who recognises speech on live calls stands in streaming"
    if config.recording.enabled and not config.streaming.enabled:
        yield (
            "recording.enabled: has no effect; only live audio is recorded, so set "
            "streaming.enabled too"
        )


def _risks(config: VoiceCallConfig) -> Iterator[str]:
    if config.skip_signature_verification:
        yield (
            "skipSignatureVerification: webhooks are NOT verified; anybody who reaches the webhook "
            "server can place words in calls"
        )
    security = config.webhook_security
    bounded = security.allowed_hosts or security.trusted_proxy_ips
    if security.trust_forwarding_headers and not bounded:
        yield (
            "webhookSecurity.trustForwardingHeaders: any sender may choose the URL that signatures "
            "are checked against; set allowedHosts or trustedProxyIPs too"
        )
    if config.inbound_policy is InboundPolicy.OPEN:
        yield "inboundPolicy: open lets everybody who knows the number talk to the agent"
    elif config.inbound_policy is InboundPolicy.ALLOWLIST and not config.allow_from:
        yield f"allowFrom: empty, so the policy {config.inbound_policy} admits nobody"
    for at, number in enumerate(config.allow_from):
        if normalise(number) is None:
            yield f"allowFrom[{at}]: no phone number can look like this, so it admits nobody"
