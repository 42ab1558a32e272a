"""The gateway's token when nobody configured one: made once and kept in the state folder."""

import os
from pathlib import Path

from openclaw.config.problem import ConfigProblem
from openclaw.errors import ConfigError

TOKEN_FILE = "gateway-token"


def token_path(state_dir: Path) -> Path:
    """Where a generated token lies."""
    return state_dir / TOKEN_FILE


def read_token(state_dir: Path) -> str | None:
    """The generated token, None when there is none. Raises ConfigError when it cannot be read."""
    path = token_path(state_dir)
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, "read", error) from error


def ensure_token_file(state_dir: Path) -> str:
    """The generated token; made (48 hex characters, mode 600) when there is none yet.

    Two processes that start at once agree on one token, and a reader never sees half of it. Raises
    ConfigError when the state folder cannot be written.
    """
    kept = read_token(state_dir)
    if kept:
        return kept
    path = token_path(state_dir)
    token = os.urandom(24).hex()
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _publish(path, token)
    except FileExistsError:
        return _published_by_another(path)
    except OSError as error:
        raise _unusable(path, "write", error) from error
    return token


def _publish(path: Path, token: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces the token of another process.
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _published_by_another(path: Path) -> str:
    token = read_token(path.parent)
    if token is None:
        problem = ConfigProblem(str(path), "the token file is empty", remedy="delete it")
        raise ConfigError([problem])
    return token


def _unusable(path: Path, verb: str, error: OSError | UnicodeDecodeError) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) else "not text"
    return ConfigError(
        [
            ConfigProblem(
                str(path),
                f"cannot {verb} the gateway token: {reason}",
                remedy="make the state folder writable or set gateway.auth.token",
            )
        ]
    )
