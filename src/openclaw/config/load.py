"""The gateway's configuration, read, checked and typed."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from openclaw.config.access import PORT_ENV, Access, choose_access, port_from_env
from openclaw.config.include import ReadText
from openclaw.config.model import HostConfig
from openclaw.config.model_tts import TtsConfig
from openclaw.config.problem import ConfigProblem
from openclaw.config.source import OWN_SECTIONS, ConfigSource, read_source, read_text
from openclaw.config.token import ensure_token_file, read_token, token_path
from openclaw.config.tree import Tree, is_tree, lookup, parse_path, subtree, with_value
from openclaw.config.validate import validate
from openclaw.errors import ConfigError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration whose host sections are valid."""

    path: Path
    """The file, whether it exists or not."""
    exists: bool
    state_dir: Path
    raw_text: str = field(repr=False)
    parsed: Tree = field(repr=False)
    """The file with includes expanded and references as written; unredacted."""
    resolved: Tree = field(repr=False)
    """`parsed` with variables, secrets and overrides filled in; unredacted."""
    config: HostConfig
    env: Mapping[str, str] = field(repr=False)
    """The environment as it holds: process, then env files, then the file's `env` section."""
    problems: tuple[ConfigProblem, ...]
    """Errors. Empty, unless the configuration was loaded to be inspected."""
    warnings: tuple[ConfigProblem, ...]
    unfilled: tuple[ConfigProblem, ...]
    """Of the warnings, those about values whose variable or secret is not there."""
    hash: str
    """SHA-256 of the file's text in hex, empty without a file."""

    @property
    def access(self) -> Access:
        """How clients prove themselves. A value that could not be filled in counts as missing."""
        auth = self.config.gateway.auth
        return choose_access(
            auth.mode,
            self._secret("gateway.auth.token", auth.token),
            self._secret("gateway.auth.password", auth.password),
            self.env,
        )

    @property
    def speech(self) -> TtsConfig:
        """Text to speech: `messages.tts` with the top-level `tts` over it."""
        return TtsConfig.merged(
            subtree(self.resolved, "messages", "tts"), subtree(self.resolved, "tts")
        )

    def plugin_config(self, plugin_id: str) -> Tree:
        """The plugin's own block, variables and secrets filled in, otherwise untouched."""
        return subtree(self.resolved, "plugins", "entries", plugin_id, "config")

    def unresolved(self, path: str) -> tuple[ConfigProblem, ...]:
        """The values at or below this path whose variable or secret is not there, as warnings.

        What stands there is the reference itself, so whoever needs the value must refuse it.
        """
        wanted = parse_path(path)
        return tuple(
            problem
            for problem in self.unfilled
            if parse_path(problem.path)[: len(wanted)] == wanted
        )

    def _secret(self, path: str, value: SecretStr | None) -> str | None:
        return None if value is None or self.unresolved(path) else value.get_secret_value()


def load_config(
    env: Mapping[str, str],
    cwd: Path,
    overrides: Mapping[str, object] | None = None,
    *,
    profile: str | None = None,
    read: ReadText = read_text,
) -> LoadedConfig:
    """Load the configuration that this process environment points to; without a file, the defaults.

    `overrides` are values from the command line by path (`{"gateway.port": 19001}`); they win over
    `OPENCLAW_GATEWAY_PORT`, which wins over the file. Raises ConfigError with every problem of the
    host's sections. Plugins' own blocks are not checked here. Every file is read by `read`.
    """
    loaded = inspect_config(env, cwd, overrides, profile=profile, read=read)
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded


def inspect_config(
    env: Mapping[str, str],
    cwd: Path,
    overrides: Mapping[str, object] | None = None,
    *,
    profile: str | None = None,
    read: ReadText = read_text,
) -> LoadedConfig:
    """As `load_config`, for doors that show a wrong configuration: its errors are in `problems`.

    Sections with errors are their defaults in `config`, the others as they are. Raises ConfigError
    only for a file that cannot be read as an object at all.
    """
    source = read_source(env, cwd, profile, read=read)
    resolved, port_problems = _with_overrides(source, overrides or {})
    config, found = validate(HostConfig, resolved)
    foreign = sorted(source.parsed.keys() - OWN_SECTIONS)
    if foreign:
        _log.debug("sections of other hosts left alone", extra={"sections": foreign})
    problems = (*source.problems, *port_problems, *found)
    return LoadedConfig(
        path=source.path,
        exists=source.exists,
        state_dir=source.state_dir,
        raw_text=source.raw_text,
        parsed=source.parsed,
        resolved=resolved,
        config=config or _valid_sections(resolved, found),
        env=source.env,
        problems=tuple(each for each in problems if each.severity == "error"),
        warnings=tuple(each for each in problems if each.severity == "warning"),
        unfilled=source.unresolved,
        hash=hashlib.sha256(source.raw_text.encode()).hexdigest() if source.exists else "",
    )


def ensure_token(state_dir: Path, loaded: LoadedConfig) -> str:
    """The token that clients must send: the configured one, else one generated in the state folder.

    Raises ConfigError when a configured token names a variable or secret that is not there, rather
    than opening the gateway to another token, and when the state folder cannot be written.
    """
    token = loaded.access.token
    if token:
        return token
    missing = loaded.unresolved("gateway.auth.token")
    if missing:
        raise ConfigError(missing)
    kept = read_token(state_dir)
    if kept:
        return kept
    token = ensure_token_file(state_dir)
    _log.info("gateway token generated", extra={"file": str(token_path(state_dir))})
    return token


def _valid_sections(resolved: Tree, problems: Sequence[ConfigProblem]) -> HostConfig:
    wrong = {parse_path(each.path)[:1] for each in problems if each.severity == "error"}
    return HostConfig.model_validate(
        {name: section for name, section in resolved.items() if (name,) not in wrong}
    )


def _with_overrides(
    source: ConfigSource, overrides: Mapping[str, object]
) -> tuple[Tree, tuple[ConfigProblem, ...]]:
    resolved, problems = source.resolved, ()
    if not is_tree(resolved.get("gateway", {})):
        return resolved, problems  # wrong as it stands, and to be reported so
    if lookup(resolved, ("gateway", "port")) is None:
        resolved = with_value(resolved, ("gateway", "port"), source.default_port)
    from_env = source.env.get(PORT_ENV)
    if from_env and "gateway.port" not in overrides:
        port = port_from_env(from_env)
        if isinstance(port, ConfigProblem):
            return resolved, (port,)
        resolved = with_value(resolved, ("gateway", "port"), port)
    for path, value in overrides.items():
        resolved = with_value(resolved, [str(part) for part in parse_path(path)], value)
    return resolved, problems
