"""Reading the configuration up to where types come in: file, includes, variables, secrets.

Shared by the gateway's loader and the light one of command-line clients: both see the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openclaw.config import paths
from openclaw.config.env import config_variables, layered, parse_env_file, substitute_tree
from openclaw.config.include import ReadText, expand_includes
from openclaw.config.json5 import parse_root
from openclaw.config.problem import ConfigProblem, at_root
from openclaw.config.secret_refs import Resolver
from openclaw.config.tree import Tree, is_tree, subtree
from openclaw.errors import ConfigError

MAX_FILE_BYTES = 2 * 1024 * 1024

OWN_SECTIONS = frozenset(
    {"gateway", "plugins", "agents", "models", "session", "messages", "tts", "logging"}
)
"""The sections that this host reads; every other one of a shared file is left alone."""


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """A configuration file as it was read."""

    path: Path
    exists: bool
    state_dir: Path
    default_port: int
    """The gateway's port when neither file nor environment names one."""
    raw_text: str = field(repr=False)
    parsed: Tree = field(repr=False)
    """With includes expanded, and variables and secret references as written."""
    resolved: Tree = field(repr=False)
    """`parsed` with variables and secrets filled in, in the host's own sections."""
    env: Mapping[str, str] = field(repr=False)
    """Process, `.env` of the working directory, `.env` of the state folder, `env` section."""
    problems: tuple[ConfigProblem, ...]
    """Errors in references, and warnings about variables and secrets that are not there."""

    @property
    def unresolved(self) -> tuple[ConfigProblem, ...]:
        """Which values could not be filled in, and why: one warning per path."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def read_text(path: Path) -> str:
    """A file's text. Raises OSError (also when it is larger than 2 MiB) or UnicodeDecodeError."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OSError(27, f"larger than {MAX_FILE_BYTES} bytes", str(path))
    return content.decode("utf-8")


def read_source(
    env: Mapping[str, str],
    cwd: Path,
    profile: str | None = None,
    *,
    read: ReadText = read_text,
) -> ConfigSource:
    """Read the configuration that this process environment points to; a missing file is empty.

    Every file is read by `read`, which raises as `read_text` does.
    Raises ConfigError when the file cannot be read, is no JSON5 object, or includes wrongly.
    """
    state = paths.state_dir(env, profile)
    path = paths.config_path(env, profile)
    exists, text = _read_config(path, read)
    parsed: object = parse_root(text) if exists else {}
    if exists:
        parsed = expand_includes(parsed, path, read)
    if not is_tree(parsed):
        raise ConfigError([at_root("the configuration must be an object, like {gateway: {}}")])
    files = (_env_file(cwd, read), _env_file(state, read))
    variables = layered(env, *files, config_variables(parsed))
    resolved, problems = _resolve(parsed, variables, read)
    return ConfigSource(
        path=path,
        exists=exists,
        state_dir=state,
        default_port=paths.default_port(env, profile),
        raw_text=text,
        parsed=parsed,
        resolved=resolved,
        env=variables,
        problems=problems,
    )


def _read_config(path: Path, read: ReadText) -> tuple[bool, str]:
    try:
        return True, read(path)
    except FileNotFoundError:
        return False, ""
    except UnicodeDecodeError as error:
        raise ConfigError([at_root(f"{path} is not UTF-8 at byte {error.start}")]) from None
    except OSError as error:
        raise ConfigError([at_root(f"cannot read {path}: {error.strerror}")]) from error


def _env_file(folder: Path, read: ReadText) -> dict[str, str]:
    path = folder / ".env"
    try:
        return parse_env_file(read(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError([at_root(f"{path} is not UTF-8 at byte {error.start}")]) from None
    except OSError as error:
        raise ConfigError([at_root(f"cannot read {path}: {error.strerror}")]) from error


def _resolve(
    parsed: Tree, env: Mapping[str, str], read: ReadText
) -> tuple[Tree, tuple[ConfigProblem, ...]]:
    secrets = subtree(parsed, "secrets")
    resolver = Resolver(env, subtree(secrets, "providers"), subtree(secrets, "defaults"), read)
    resolved = dict(parsed)
    problems: list[ConfigProblem] = []
    for section in OWN_SECTIONS & parsed.keys():
        value, missing = substitute_tree(parsed[section], env, (section,))
        resolved[section], unfound = resolver.resolve(value, (section,))
        problems += [*missing, *unfound]
    return resolved, tuple(sorted(problems, key=lambda problem: problem.path))
