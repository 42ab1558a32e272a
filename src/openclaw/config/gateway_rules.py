"""What must hold beyond single values before a gateway may start. Pure."""

from openclaw.config.access import Access, bind_host, is_loopback
from openclaw.config.load import LoadedConfig
from openclaw.config.model import GatewayConfig
from openclaw.config.problem import ConfigProblem


def start_refusals(loaded: LoadedConfig) -> tuple[ConfigProblem, ...]:
    """Why `gateway run` must not start with this configuration; empty when it may.

    An unset `gateway.mode` means local. (OpenClaw asks for it to be set; a gateway that listens on
    loopback with a secret has nothing to ask.)
    """
    if loaded.config.gateway.mode == "remote":
        return (
            ConfigProblem(
                "gateway.mode",
                "is remote, so this machine uses a gateway elsewhere and starts none",
                remedy="set gateway.mode to local to start one",
            ),
        )
    return gateway_problems(loaded)


def gateway_problems(loaded: LoadedConfig) -> tuple[ConfigProblem, ...]:
    """What is wrong with the local gateway as configured."""
    gateway, access = loaded.config.gateway, loaded.access
    if gateway.mode == "remote":
        return ()
    host = bind_host(gateway.bind, gateway.custom_bind_host)
    if isinstance(host, ConfigProblem):
        found = [host]
    else:
        found = _exposure_problems(gateway, access, host)
    found += _secret_problems(loaded, access)
    if gateway.tls.enabled:
        found.append(
            ConfigProblem(
                "gateway.tls.enabled",
                "this gateway does not speak TLS itself",
                remedy="set it to false and put a TLS proxy in front of a loopback bind",
            )
        )
    return tuple(found)


def _exposure_problems(gateway: GatewayConfig, access: Access, host: str) -> list[ConfigProblem]:
    if access.mode == "none" and not is_loopback(host):
        return [
            ConfigProblem(
                "gateway.auth.mode",
                f"Refusing to bind gateway to {gateway.bind} without auth",
                remedy="set it to token or password, or gateway.bind to loopback",
            )
        ]
    return []


def _secret_problems(loaded: LoadedConfig, access: Access) -> list[ConfigProblem]:
    auth = loaded.config.gateway.auth
    if auth.mode is None and auth.token and auth.password:
        return [
            ConfigProblem(
                "gateway.auth.mode",
                "both gateway.auth.token and gateway.auth.password are set",
                allowed=("token", "password"),
                remedy="say which one counts",
            )
        ]
    if access.mode == "trusted-proxy":
        return [
            ConfigProblem(
                "gateway.auth.mode",
                "not supported by this gateway yet:",
                "trusted-proxy",
                allowed=("none", "token", "password"),
            )
        ]
    if access.mode == "password" and not access.password:
        return list(loaded.unresolved("gateway.auth.password")) or [
            ConfigProblem(
                "gateway.auth.password",
                "Required when gateway.auth.mode is password",
                remedy="set it, or OPENCLAW_GATEWAY_PASSWORD",
            )
        ]
    if access.mode == "token" and not access.token:
        return list(loaded.unresolved("gateway.auth.token"))
    return []
