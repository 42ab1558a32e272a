"""The typed configuration: sections, keys, defaults and bounds.

Names and meanings are OpenClaw's; a file can be shared with it. `gateway`, `plugins` and speech are
ours and strict, `agents`, `models`, `session`, `messages` and `logging` are shared, everything else
belongs to others.
"""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from openclaw.config.model_agents import AgentsConfig, ModelsConfig
from openclaw.config.model_base import (
    Items,
    NonEmpty,
    Port,
    PositiveInt,
    Section,
    SharedSection,
)
from openclaw.config.model_tts import TtsConfig
from openclaw.config.paths import DEFAULT_PORT

AuthMode = Literal["none", "token", "password", "trusted-proxy"]
Bind = Literal["loopback", "lan", "tailnet", "auto", "custom"]


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("expected an IP address or a network such as 10.0.0.0/8") from None
    return value


def _websocket_url(value: str) -> str:
    if not value.startswith(("ws://", "wss://")):
        raise ValueError("expected a URL that begins with ws:// or wss://")
    return value


Network = Annotated[str, AfterValidator(_network)]
WebsocketUrl = Annotated[str, AfterValidator(_websocket_url)]


class RateLimit(Section):
    """How many wrong secrets an address may send before it is locked out."""

    max_attempts: PositiveInt = 10
    """Failures within the window that lead to a lockout."""
    window_ms: PositiveInt = 60_000
    lockout_ms: PositiveInt = 300_000
    exempt_loopback: bool = True


class TrustedProxy(Section):
    """A proxy that authenticates users and names them in a header."""

    user_header: NonEmpty
    required_headers: Items[NonEmpty] = ()
    allow_users: Items[NonEmpty] = ()


class GatewayAuth(Section):
    """How clients of the gateway prove themselves."""

    mode: AuthMode | None = None
    """Unset: password when one is configured, else token."""
    token: SecretStr | None = None
    password: SecretStr | None = None
    rate_limit: RateLimit = RateLimit()
    allow_tailscale: bool | None = None
    trusted_proxy: TrustedProxy | None = None


class GatewayTls(Section):
    """TLS on the gateway's own port."""

    enabled: bool = False
    auto_generate: bool | None = None
    cert_path: str | None = None
    key_path: str | None = None
    ca_path: str | None = None


class GatewayRemote(Section):
    """The gateway that this machine's clients use when `mode` is remote."""

    url: WebsocketUrl | None = None
    token: SecretStr | None = None
    password: SecretStr | None = None
    tls_fingerprint: str | None = None
    transport: Literal["direct", "ssh"] | None = None
    ssh_target: str | None = None
    ssh_identity: str | None = None


class GatewayReload(Section):
    """What to do when the file changes."""

    mode: Literal["hybrid", "hot", "restart", "off"] = "hybrid"
    debounce_ms: Annotated[int, Field(ge=0)] = 300
    deferral_timeout_ms: Annotated[int, Field(ge=0)] | None = None


class ControlUi(SharedSection):
    """The browser console of other hosts; only its allowed origins matter here."""

    allowed_origins: Items[NonEmpty] = ()


class GatewayConfig(Section):
    """The gateway's port and its doors."""

    mode: Literal["local", "remote"] = "local"
    """`remote`: the gateway runs elsewhere, and this machine only has clients."""
    port: Port = DEFAULT_PORT
    bind: Bind = "loopback"
    custom_bind_host: NonEmpty | None = None
    """The address to listen on when `bind` is custom."""
    auth: GatewayAuth = GatewayAuth()
    tls: GatewayTls = GatewayTls()
    trusted_proxies: Items[Network] = ()
    """Proxies whose forwarding headers are believed."""
    allow_real_ip_fallback: bool = False
    remote: GatewayRemote = GatewayRemote()
    reload: GatewayReload = GatewayReload()
    control_ui: ControlUi = ControlUi()

    # Known to other hosts of the same file, without meaning here.
    tailscale: object = None
    nodes: object = None
    http: object = None
    tools: object = None
    push: object = None
    webchat: object = None
    terminal: object = None
    handshake_timeout_ms: object = None
    channel_health_check_minutes: object = None
    channel_stale_event_threshold_minutes: object = None
    channel_max_restarts_per_hour: object = None


class PluginLoad(Section):
    """Where plugins are looked for besides the installed packages."""

    paths: Items[NonEmpty] = ()


class PluginHooks(SharedSection):
    """What a plugin's hooks may do."""

    allow_prompt_injection: bool | None = None


class PluginEntry(Section):
    """One plugin, `plugins.entries.<id>`."""

    enabled: bool | None = None
    """Unset counts as not enabled for a plugin that does not start by itself."""
    config: Mapping[str, object] = {}
    """The plugin's own settings, which the plugin checks itself."""
    hooks: PluginHooks | None = None
    env: Mapping[str, SecretStr] = {}
    api_key: SecretStr | None = None
    subagent: object = None
    llm: object = None


class PluginsConfig(Section):
    """Which plugins run, and with what."""

    enabled: bool = True
    allow: Items[NonEmpty] = ()
    deny: Items[NonEmpty] = ()
    """Wins over everything but `enabled: false`."""
    load: PluginLoad = PluginLoad()
    entries: Mapping[str, PluginEntry] = {}
    slots: object = None
    installs: Mapping[str, object] = {}
    bundled_discovery: object = None


class SessionConfig(SharedSection):
    """Who shares a conversation with whom."""

    scope: Literal["per-sender", "global"] = "per-sender"
    store: str | None = None


class MessagesConfig(SharedSection):
    """Of the messages section, speech."""

    tts: TtsConfig = TtsConfig()


class LoggingConfig(SharedSection):
    """How much is logged, and where to."""

    level: Literal["silent", "fatal", "error", "warn", "info", "debug", "trace"] = "info"
    file: NonEmpty | None = None
    """Unset: in the state folder."""


class HostConfig(SharedSection):
    """The whole file, as far as this host reads it."""

    gateway: GatewayConfig = GatewayConfig()
    plugins: PluginsConfig = PluginsConfig()
    agents: AgentsConfig = AgentsConfig()
    models: ModelsConfig = ModelsConfig()
    session: SessionConfig = SessionConfig()
    messages: MessagesConfig = MessagesConfig()
    tts: TtsConfig = TtsConfig()
    logging: LoggingConfig = LoggingConfig()
