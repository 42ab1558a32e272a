"""The `tailscale` command (1.52 and newer): what is asked of it, and what its answers mean.

Commands and texts: https://tailscale.com/kb/1242/tailscale-serve, /kb/1311/tailscale-funnel, and
`cmd/tailscale/cli` of its source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import msgspec

from openclaw_voice_call.errors import ExposureFailed
from openclaw_voice_call.exposure.process import Finished, Patience, child_env, find_program, run

Mode: TypeAlias = Literal["serve", "funnel"]

MAC_APP: Final = "/Applications/Tailscale.app/Contents/MacOS/Tailscale"
_ENABLE_URL: Final = re.compile(r"https://login\.tailscale\.com/f/[a-z]+\?[^\s\"']+")
_CONFLICT: Final = "Another client is changing the serve config"
_NOT_THERE: Final = "handler does not exist"


@dataclass(frozen=True, slots=True)
class Mount:
    """A path at Tailscale's side, and the local URL that answers for it."""

    path: str
    target: str


class Machine(msgspec.Struct, frozen=True):
    """This machine in its tailnet."""

    dns_name: str
    node_id: str

    def origin(self, https_port: int) -> str:
        port = "" if https_port == 443 else f":{https_port}"
        return f"https://{self.dns_name}{port}"

    def enable_url(self, mode: Mode) -> str | None:
        """The page on which serve or funnel can be allowed for this machine."""
        return f"https://login.tailscale.com/f/{mode}?node={self.node_id}" if self.node_id else None


class _Self(msgspec.Struct):
    dns_name: str = msgspec.field(name="DNSName", default="")
    node_id: str = msgspec.field(name="ID", default="")


class _Status(msgspec.Struct):
    state: str = msgspec.field(name="BackendState", default="")
    self_: _Self | None = msgspec.field(name="Self", default=None)


class _Handler(msgspec.Struct):
    proxy: str = msgspec.field(name="Proxy", default="")


class _Web(msgspec.Struct):
    handlers: dict[str, _Handler] = msgspec.field(name="Handlers", default_factory=dict)


class _Routes(msgspec.Struct):
    web: dict[str, _Web] | None = msgspec.field(name="Web", default=None)
    funnel: dict[str, bool] | None = msgspec.field(name="AllowFunnel", default=None)


class TailscaleCli:
    """Each method runs the command once or a few times, for at most `command_s` each time."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        name: str = "tailscale",
        command_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._env = child_env(environ)
        self._name = name
        self._command_s = command_s
        self._patience = patience or Patience()

    async def machine(self) -> Machine:
        """Raises ExposureFailed when Tailscale is missing, does not run, or has no name for us."""
        finished = await self._run("status", "--json")
        if finished.code != 0:
            raise self._explain(finished, "status")
        try:
            status = msgspec.json.decode(finished.out, type=_Status)
        except msgspec.DecodeError as error:
            raise ExposureFailed(
                self._name,
                f"`tailscale status --json` printed something else: {error}",
                remedy="update Tailscale, or see what it prints",
            ) from error
        if status.state and status.state != "Running":
            raise ExposureFailed(
                self._name,
                f"Tailscale is not connected on this machine (state {status.state[:40]})",
                remedy="sign in with: tailscale up",
            )
        found = status.self_ or _Self()
        dns_name = found.dns_name.rstrip(".").lower()
        if not dns_name:
            raise ExposureFailed(
                self._name,
                "this machine has no DNS name in the tailnet",
                remedy="enable MagicDNS: https://login.tailscale.com/admin/dns",
            )
        return Machine(dns_name, found.node_id)

    async def mount(self, mode: Mode, https_port: int, mount: Mount) -> None:
        """Raises ExposureFailed; `enable_url` names the page to allow it on, if that is why."""
        arguments = ("--set-path", mount.path, mount.target)
        finished = await self._settled(mode, "--bg", "--yes", f"--https={https_port}", *arguments)
        if finished.code != 0 or _enable_url(finished):
            raise self._explain(finished, mode)

    async def unmount(self, mode: Mode, https_port: int, path: str) -> None:
        """Also of what is not mounted. Raises ExposureFailed."""
        finished = await self._settled(
            mode, "--yes", f"--https={https_port}", "--set-path", path, "off"
        )
        gone = finished.code == 0 or _NOT_THERE in _text(finished)
        # What the tailnet does not allow cannot be mounted either.
        if not gone and _enable_url(finished) is None:
            raise self._explain(finished, f"{mode} off")

    async def routes(
        self, mode: Mode, https_port: int, machine: Machine
    ) -> Mapping[str, str] | None:
        """Path to target of all that is mounted there in this mode; None when it cannot be told.

        Raises ExposureFailed when Tailscale is missing or does not answer.
        """
        finished = await self._run("serve", "status", "--json")
        if finished.code is None:
            raise self._explain(finished, "serve status")
        try:
            routes = msgspec.json.decode(finished.out, type=_Routes | None)
        except msgspec.DecodeError:
            return None
        if finished.code != 0:
            return None
        routes = routes or _Routes()
        place = f"{machine.dns_name}:{https_port}"
        if mode == "funnel" and not (routes.funnel or {}).get(place):
            return {}
        web = (routes.web or {}).get(place) or _Web()
        return {path: handler.proxy for path, handler in web.handlers.items()}

    async def _settled(self, *arguments: str) -> Finished:
        """Run a command that changes routes; again if somebody else changed them meanwhile."""
        finished = await self._run(*arguments)
        if finished.code not in (0, None) and _CONFLICT in _text(finished):
            finished = await self._run(*arguments)
        return finished

    async def _run(self, *arguments: str) -> Finished:
        program = find_program("tailscale", self._env, MAC_APP)
        if program is None:
            raise ExposureFailed(
                self._name,
                "the tailscale command is not installed, or not on PATH",
                remedy="install Tailscale: https://tailscale.com/download, or set publicUrl",
            )
        try:
            return await run(
                (program, *arguments),
                self._env,
                within_s=self._command_s,
                # It prints where to allow the feature, and then waits until somebody has.
                enough=lambda line: _ENABLE_URL.search(line) is not None,
                patience=self._patience,
            )
        except OSError as error:
            raise ExposureFailed(self._name, f"cannot run tailscale: {error}") from error

    def _explain(self, finished: Finished, command: str) -> ExposureFailed:
        text = " ".join(" ".join(finished.tail).split())[:500]
        enable_url = _enable_url(finished)
        if enable_url is not None:
            return ExposureFailed(
                self._name,
                f"`tailscale {command}` is not allowed on this tailnet",
                remedy=f"allow it at {enable_url}",
                enable_url=enable_url,
            )
        if finished.code is None:
            reason = f"`tailscale {command}` did not answer within {self._command_s:g} s"
        else:
            reason = f"`tailscale {command}` ended with status {finished.code}"
        return ExposureFailed(
            self._name, f"{reason}: {text}" if text else reason, remedy=_remedy(text, command)
        )


def _enable_url(finished: Finished) -> str | None:
    found = _ENABLE_URL.search(_text(finished))
    return found[0] if found else None


def _text(finished: Finished) -> str:
    return "\n".join((finished.out, *finished.tail))


_REMEDIES: Final[Sequence[tuple[tuple[str, ...], str]]] = (
    (
        ("failed to connect to local", "doesn't appear to be running"),
        "start its service, for example with: sudo systemctl start tailscaled",
    ),
    (
        ("Access denied", "access denied", "--operator", "permission denied"),
        "allow this user once with: sudo tailscale set --operator=$USER",
    ),
    (("Logged out", "NeedsLogin", "logged out"), "sign in with: tailscale up"),
    (
        ("already serving", "already exists", "already in use", "foreground"),
        "choose another tailscale.port (funnel: 443, 8443 or 10000), or remove what has this one",
    ),
    (("MagicDNS", "HTTPS"), "enable MagicDNS and HTTPS: https://login.tailscale.com/admin/dns"),
    (("flag provided but not defined", "try `tailscale"), "update Tailscale to 1.52 or newer"),
)


def _remedy(text: str, command: str) -> str:
    for signs, remedy in _REMEDIES:
        if any(sign in text for sign in signs):
            return remedy
    return f"see what it says when run by hand: tailscale {command}"
