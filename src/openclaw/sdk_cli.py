"""All that a plugin's command line may import from the host; light, as every verb pays for it.

The group that an entry point of `openclaw.commands` names is found as a sub-command of `openclaw`.
Errors of the host may be left to it: they end in `error: text`, a remedy, and exit status 1.
"""

from openclaw.cli.output import complain, explained, fail, print_json
from openclaw.cli.plugin_section import PluginSection, plugin_section
from openclaw.cli.rpc import GatewayChoice, connect, gateway_options, target_of
from openclaw.errors import (
    ConfigError,
    GatewayCallError,
    GatewayRefused,
    GatewayTimeout,
    GatewayUnreachable,
    OpenClawError,
    RpcFailed,
)

__all__ = [
    "ConfigError",
    "GatewayCallError",
    "GatewayChoice",
    "GatewayRefused",
    "GatewayTimeout",
    "GatewayUnreachable",
    "OpenClawError",
    "PluginSection",
    "RpcFailed",
    "complain",
    "connect",
    "explained",
    "fail",
    "gateway_options",
    "plugin_section",
    "print_json",
    "target_of",
]
