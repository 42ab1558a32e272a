"""What the ngrok agent says of itself (`--log stdout --log-format json`), and what it means. Pure.

Lines and error numbers: https://ngrok.com/docs/agent/ and https://ngrok.com/docs/errors/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from openclaw_voice_call.errors import ExposureFailed

PASSING: Final = frozenset({"108", "334"})
"""Another agent has the session or the domain. It may be one that has just been killed: ngrok's
side takes about a minute to notice."""
_TOKEN_PAGE: Final = "https://dashboard.ngrok.com/get-started/your-authtoken"
_REMEDIES: Final = (
    (
        frozenset({"105", "106", "107", "4018"}),
        f"set tunnel.ngrokAuthToken (or NGROK_AUTHTOKEN) to the token of {_TOKEN_PAGE}",
    ),
    (PASSING, "stop the other ngrok agent, or give this one a domain of its own"),
    (frozenset({"120", "121"}), "update the agent with: ngrok update"),
)
_CODE: Final = re.compile(r"ERR_NGROK_(\d+)")
_ERROR_PREFIX: Final = "ERROR:"


@dataclass(frozen=True, slots=True)
class TunnelStarted:
    url: str


@dataclass(frozen=True, slots=True)
class SessionLost:
    """The agent runs on and tries to reach ngrok again by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class SessionFound:
    """It has reached ngrok (again)."""


@dataclass(frozen=True, slots=True)
class AgentError:
    """Something for the report, should the agent end now."""

    text: str


AgentEvent: TypeAlias = TunnelStarted | SessionLost | SessionFound | AgentError


class _Line(msgspec.Struct):
    msg: str = ""
    lvl: str = ""
    url: str = ""
    err: str = ""


def read_line(line: str) -> AgentEvent | None:
    """None: nothing of interest, or no line of ngrok's at all."""
    if line.startswith(_ERROR_PREFIX):
        text = line.removeprefix(_ERROR_PREFIX).strip()
        return AgentError(text) if text else None
    try:
        said = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeError):
        return None
    if said.msg == "started tunnel" and said.url:
        return TunnelStarted(said.url)
    if said.msg == "client session established":
        return SessionFound()
    if said.lvl in ("eror", "crit", "error"):
        reason = _one_line(said.err if said.err not in ("", "<nil>") else said.msg)
        return SessionLost(reason) if "reconnect" in said.msg else AgentError(reason)
    return None


def public_origin(url: str, domain: str | None) -> str:
    """The origin that ngrok gave. Raises ExposureFailed when it cannot be used as it is."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme != "https" or not host:
        raise ExposureFailed("ngrok", f"gave no https URL but {url[:200]!r}")
    if domain is not None and host != domain_name(domain):
        raise ExposureFailed(
            "ngrok",
            f"opened {host} instead of the domain {domain_name(domain)}",
            remedy="check tunnel.ngrokDomain and the domains of the account that the token is of",
        )
    return f"https://{parts.netloc}"


def domain_name(domain: str) -> str:
    """The domain as hosts are compared."""
    return domain.strip().rstrip(".").lower()


def failure(reasons: tuple[str, ...], code: int | None) -> ExposureFailed:
    """What to tell of an agent that ended, or that never gave a URL (`code` is None)."""
    text = _one_line(" ".join(dict.fromkeys(reasons)))[:500]
    number = found[1] if (found := _CODE.search(text)) else None
    remedy = next((remedy for numbers, remedy in _REMEDIES if number in numbers), None)
    if remedy is None and number is not None:
        remedy = f"see https://ngrok.com/docs/errors/err_ngrok_{number}"
    if remedy is None and "unknown flag" in text:
        remedy = "update the agent with: ngrok update"
    happened = "gave no URL in time" if code is None else f"ended with status {code}"
    return ExposureFailed(
        "ngrok",
        f"the agent {happened}" + (f": {text}" if text else ""),
        remedy=remedy or "run the agent by hand to see what it says: ngrok http 3334",
        retryable="unknown flag" not in text and (number is None or number in PASSING),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
