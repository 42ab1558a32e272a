"""Secrets that stand elsewhere: `{source: "env"|"file"|"exec", provider, id}` for a string.

As OpenClaw defines it: `env` ids are variable names; `file` ids are JSON pointers into the file of
`secrets.providers.<provider>.path` (or `value` for a file that is the secret); `exec` ids name a
secret for a command, which this host does not run yet.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from openclaw.config.env import missing_variable
from openclaw.config.paths import expand
from openclaw.config.problem import ConfigProblem
from openclaw.config.redact import is_secret_key
from openclaw.config.tree import Part, Tree, format_path, is_list, is_tree, lookup, subtree

SOURCES = ("env", "file", "exec")

_ENV_ID = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_KEYS = frozenset({"source", "provider", "id"})
_WHOLE_FILE = "value"


@dataclass(frozen=True, slots=True)
class Resolver:
    """Finds what a reference stands for."""

    env: Mapping[str, str]
    providers: Tree
    """The `secrets.providers` section."""
    defaults: Tree
    """The `secrets.defaults` section: source -> provider."""
    read: Callable[[Path], str]
    """Gives a file's text; raises OSError or UnicodeDecodeError."""

    def resolve(
        self, value: object, parts: tuple[Part, ...] = ()
    ) -> tuple[object, tuple[ConfigProblem, ...]]:
        """A copy of `value` with each reference under a secret's key replaced by the secret.

        One that cannot be resolved becomes the text `${<source>:<id>}`, so that the value keeps its
        type, and a problem: an error when it is malformed, a warning when the secret is not there.
        """
        problems: list[ConfigProblem] = []

        def walk(item: object, at: tuple[Part, ...]) -> object:
            if _is_reference(item, at):
                found = self._secret(item, at)
                if isinstance(found, str):
                    return found
                problems.append(found)
                return f"${{{item['source']}:{item.get('id', '')}}}"
            if is_tree(item):
                return {key: walk(below, (*at, key)) for key, below in item.items()}
            if is_list(item):
                return [walk(below, (*at, index)) for index, below in enumerate(item)]
            return item

        return walk(value, parts), tuple(problems)

    def _secret(self, reference: Tree, at: tuple[Part, ...]) -> str | ConfigProblem:
        source, name = reference["source"], reference.get("id")
        unknown = sorted(reference.keys() - _KEYS)
        if unknown:
            return _wrong(
                (*at, unknown[0]), f'Unrecognized key: "{unknown[0]}"', tuple(sorted(_KEYS))
            )
        if not isinstance(source, str) or source not in SOURCES:
            return _wrong((*at, "source"), "not a source of secrets", SOURCES)
        if not isinstance(name, str) or not name:
            return _wrong((*at, "id"), "a secret reference needs an id")
        if source == "env":
            if not _ENV_ID.fullmatch(name):
                return _wrong((*at, "id"), "an environment id must match [A-Z][A-Z0-9_]{0,127}")
            return self.env.get(name) or missing_variable(at, name)
        if source == "exec":
            return _absent(
                at,
                "secrets from commands (source exec) are not supported yet",
                "use source env or file",
            )
        return self._from_file(name, reference.get("provider") or self.defaults.get("file"), at)

    def _from_file(self, name: str, provider: object, at: tuple[Part, ...]) -> str | ConfigProblem:
        provider = provider if isinstance(provider, str) else "default"
        path = subtree(self.providers, provider).get("path")
        if not isinstance(path, str):
            where = format_path(("secrets", "providers", provider, "path"))
            return _absent(at, f"{where} is not set", "name the file that holds the secret")
        file = expand(path, self.env)
        try:
            text = self.read(file)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            return _absent(at, f"cannot read the secrets file {file}: {reason}")
        if name == _WHOLE_FILE:
            return text.strip() or _absent(at, f"the secrets file {file} is empty")
        try:
            found = lookup(json.loads(text), pointer_parts(name))
        except ValueError:
            return _absent(at, f"the secrets file {file} is not JSON, or {name} no JSON pointer")
        if isinstance(found, str) and found:
            return found
        return _absent(at, f"no secret at {name} in {file}")


def pointer_parts(pointer: str) -> tuple[str, ...]:
    """The keys of a JSON pointer (RFC 6901). Raises ValueError when it has no leading slash."""
    if not pointer.startswith("/"):
        raise ValueError(f"a JSON pointer begins with a slash: {pointer!r}")
    return tuple(
        part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/")
    )


def _is_reference(value: object, at: tuple[Part, ...]) -> TypeGuard[Tree]:
    key = at[-1] if at else ""
    return is_tree(value) and "source" in value and isinstance(key, str) and is_secret_key(key)


def _wrong(at: tuple[Part, ...], message: str, allowed: tuple[str, ...] = ()) -> ConfigProblem:
    return ConfigProblem(format_path(at), message, allowed=allowed)


def _absent(at: tuple[Part, ...], message: str, remedy: str | None = None) -> ConfigProblem:
    return ConfigProblem(format_path(at), message, remedy=remedy, severity="warning")
