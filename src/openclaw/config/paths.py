"""Where the state folder and the configuration file lie. Pure: told by an environment alone.

A profile keeps a second gateway apart from the first: its own state folder, file and, for `dev`,
port. It is named by `--profile` or by `OPENCLAW_PROFILE`; `--dev` is short for `--profile dev`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from openclaw.config.problem import ConfigProblem
from openclaw.errors import ConfigError

CONFIG_NAME = "openclaw.json"
PROFILE_ENV = "OPENCLAW_PROFILE"
DEV_PROFILE = "dev"
DEFAULT_PORT = 18789
DEV_PORT = 19001

_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def profile_name(env: Mapping[str, str], profile: str | None = None) -> str | None:
    """The profile in use, None for the usual one. Raises ConfigError for an unfit name."""
    name = profile or env.get(PROFILE_ENV)
    if not name or name == "default":
        return None
    if not _PROFILE_NAME.fullmatch(name):
        raise ConfigError(
            [ConfigProblem("--profile", "expected letters, digits, - and _, received", name)]
        )
    return name


def home_dir(env: Mapping[str, str]) -> Path:
    """The home folder: `OPENCLAW_HOME`, else `HOME`, else what the system says."""
    home = env.get("OPENCLAW_HOME") or env.get("HOME")
    return Path(home) if home else Path.home()


def state_dir(env: Mapping[str, str], profile: str | None = None) -> Path:
    """The state folder: `OPENCLAW_STATE_DIR`, else `~/.openclaw` or `~/.openclaw-<profile>`."""
    explicit = env.get("OPENCLAW_STATE_DIR")
    if explicit:
        return expand(explicit, env)
    name = profile_name(env, profile)
    return home_dir(env) / (f".openclaw-{name}" if name else ".openclaw")


def config_path(env: Mapping[str, str], profile: str | None = None) -> Path:
    """The configuration file: `OPENCLAW_CONFIG_PATH`, else `openclaw.json` in the state folder."""
    explicit = env.get("OPENCLAW_CONFIG_PATH")
    return expand(explicit, env) if explicit else state_dir(env, profile) / CONFIG_NAME


def default_port(env: Mapping[str, str], profile: str | None = None) -> int:
    """The gateway's port when nothing names one; the `dev` profile keeps clear of the usual one."""
    return DEV_PORT if profile_name(env, profile) == DEV_PROFILE else DEFAULT_PORT


def expand(path: str, env: Mapping[str, str]) -> Path:
    """A path as users write it, with a leading `~` meaning the home folder of this environment."""
    if path == "~" or path.startswith("~/"):
        return home_dir(env) / path[2:]
    return Path(path)
