"""Which plugins `plugins install` brought: the file `plugins.json` in the state folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from openclaw.errors import PluginInstallError


class InstallRecord(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a plugin came from."""

    source: Literal["path", "package"]
    spec: str
    """What pip was given."""
    distribution: str
    version: str
    environment: str
    """The environment that it was installed into (its `sys.prefix`)."""
    installed_at: str
    """ISO 8601, UTC."""
    source_path: str | None = None
    """The folder that is linked."""


class _File(msgspec.Struct, frozen=True):
    version: Literal[1] = 1
    installs: Mapping[str, InstallRecord] = {}


class InstallRecords:
    """The records of one state folder, by plugin id."""

    def __init__(self, state_dir: Path) -> None:
        """Nothing is read or written yet."""
        self.path = state_dir / "plugins.json"

    def all(self) -> Mapping[str, InstallRecord]:
        """Every record. Raises PluginInstallError when the file cannot be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_File).installs
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PluginInstallError(f"cannot read {self.path}: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeError) as error:
            remedy = "repair it, or move it away: plugins then count as installed by other means"
            raise PluginInstallError(f"{self.path}: {error}", remedy) from error

    def add(self, records: Mapping[str, InstallRecord]) -> None:
        """Note installations. Raises PluginInstallError."""
        self._write({**self.all(), **records})

    def remove(self, ids: Iterable[str]) -> None:
        """Forget installations. Raises PluginInstallError."""
        gone = set(ids)
        self._write({name: each for name, each in self.all().items() if name not in gone})

    def _write(self, installs: Mapping[str, InstallRecord]) -> None:
        encoded = msgspec.json.format(msgspec.json.encode(_File(installs=installs)), indent=2)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(prefix=".plugins.", dir=self.path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(encoded + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise PluginInstallError(f"cannot write {self.path}: {error.strerror}") from error
