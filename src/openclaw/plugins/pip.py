"""pip of an interpreter's environment, as a process of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openclaw.errors import PluginInstallError

TIMEOUT_S = 900.0
"""Longer than any download that is still worth waiting for."""

_TAIL_BYTES = 16 * 1024
_END_LINES = 12
_LINE_CHARS = 300

_PIP_ENV = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_NO_COLOR": "1",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    ok: bool
    lines: tuple[str, ...]
    """What it wrote, stdout and stderr together: the last 16 KiB at most."""

    @property
    def end(self) -> str:
        """The last lines, for an error's text."""
        return "\n".join(f"  {line[:_LINE_CHARS]}" for line in self.lines[-_END_LINES:])


class Pip:
    """Runs pip, and other short programs, with one interpreter."""

    def __init__(
        self,
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Work in the environment of `python`, with `env` instead of this process's variables."""
        self._python = python
        self._env = dict(os.environ if env is None else env)
        self._timeout_s = timeout_s

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command line that calls pip."""
        return (self._python, "-m", "pip", *arguments)

    def require(self) -> None:
        """Raises PluginInstallError, with the remedy, when the environment has no pip."""
        # A fresh interpreter: only it sees what `python -m pip` would.
        look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)"
        if not self.run((self._python, "-P", "-c", look)).ok:
            raise PluginInstallError(
                f"the environment of {self._python} has no pip",
                f"Add it with: {shlex.join(self._adding_pip())}",
            )

    def run(self, command: Sequence[str]) -> Outcome:
        """Run a command to its end. Raises PluginInstallError when it cannot begin or end."""
        # Into a file, so that a program that writes without end costs no memory.
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(  # noqa: S603
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env | _PIP_ENV,
                    timeout=self._timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                text = f"not done after {self._timeout_s:g} s: {shlex.join(command)}"
                raise PluginInstallError(text) from error
            except OSError as error:
                text = f"cannot run {shlex.join(command)}: {error.strerror}"
                raise PluginInstallError(text) from error
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - _TAIL_BYTES))
            text = output.read().decode(errors="replace")
        return Outcome(done.returncode == 0, _lines(text))

    def ask(self, *arguments: str) -> bytes:
        """What a program of this interpreter (`-c ...`, `-m ...`) prints on stdout.

        Raises PluginInstallError when it fails, with the last lines of its stderr.
        """
        try:
            done = subprocess.run(  # noqa: S603
                [self._python, "-P", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._env,
                timeout=self._timeout_s,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            said: bytes = error.stderr
            outcome = Outcome(False, _lines(said[-_TAIL_BYTES:].decode(errors="replace")))
            raise PluginInstallError(f"{self._python} failed:\n{outcome.end}") from error
        except (subprocess.TimeoutExpired, OSError) as error:
            raise PluginInstallError(f"cannot ask {self._python}: {error}") from error
        return done.stdout

    def _adding_pip(self) -> Sequence[str]:
        # uv writes its version into the environments that it makes, and leaves pip out of them.
        try:
            notes = Path(self._python).parent.parent.joinpath("pyvenv.cfg").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            notes = ""
        if any(line.partition("=")[0].strip() == "uv" for line in notes.splitlines()):
            return ("uv", "pip", "install", "--python", self._python, "pip")
        return (self._python, "-m", "ensurepip")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())
