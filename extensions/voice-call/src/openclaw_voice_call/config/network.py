"""Sections that say how carriers reach the webhook server."""

from typing import Literal

from pydantic import Field

from openclaw_voice_call.config.base import (
    Host,
    Items,
    Maybe,
    Network,
    Port,
    Secret,
    Section,
    UrlPath,
)


class ServeConfig(Section):
    """The webhook server. It serves the webhook and stream paths to the world, nothing else."""

    port: int = Field(default=3334, ge=0, le=65535)
    """The TCP port; 0 takes any free one."""
    bind: Host = "127.0.0.1"
    """The address to listen on. Loopback is right behind a tunnel or a proxy on this machine."""
    path: UrlPath = "/voice/webhook"
    """The path of the webhook."""


class TunnelConfig(Section):
    """A tunnel that gives the webhook server a public URL when `publicUrl` is not set."""

    provider: Literal["none", "ngrok", "tailscale-serve", "tailscale-funnel"] = "none"
    """Which tunnel to open: the `ngrok` agent or the `tailscale` command of this machine."""
    ngrok_auth_token: Secret = None
    """The ngrok account's token. Unset: the one that the agent was signed in with."""
    ngrok_domain: Maybe[Host] = None
    """A domain reserved at ngrok, so that the URL stays the same."""
    allow_ngrok_free_tier_loopback_bypass: bool = False
    """Whether forwarding headers that arrive over loopback may be used to rebuild the signed URL
    while ngrok runs. It never accepts a wrong signature."""


class TailscaleConfig(Section):
    """Exposure through Tailscale on this machine."""

    mode: Literal["off", "serve", "funnel"] = "off"
    """`serve` reaches the tailnet, `funnel` the public internet, as carriers need it."""
    port: Port = 443
    """The HTTPS port at Tailscale's side; funnel: 443, 8443 or 10000."""
    path: UrlPath = "/voice/webhook"
    """The webhook's path at Tailscale's side; the stream's is `streaming.streamPath`."""


class WebhookSecurityConfig(Section):
    """What to believe about the URL that a carrier called, behind a proxy that rewrites it."""

    allowed_hosts: Items[Host] = ()
    """Hosts that a forwarding header may name; others are ignored."""
    trust_forwarding_headers: bool = False
    """Whether forwarding headers are used without `allowedHosts`. Anybody can send them, so bound
    them with `allowedHosts` or `trustedProxyIPs`."""
    trusted_proxy_ips: Items[Network] = Field(default=(), alias="trustedProxyIPs")
    """Addresses or networks of the proxies whose forwarding headers count; empty: every sender's
    do, when the other two options allow it."""
