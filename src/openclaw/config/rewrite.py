"""Replacing the configuration file by an edited one, without ever leaving a broken one behind."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from openclaw.config import paths
from openclaw.config.load import inspect_config
from openclaw.config.problem import ConfigProblem, at_root
from openclaw.config.source import read_text
from openclaw.errors import ConfigError


def rewrite_config(env: Mapping[str, str], cwd: Path, edit: Callable[[str], str | None]) -> bool:
    """Give the file's text (`{}` when there is none) to `edit` and write what it gives back.

    The new file replaces the old one in one step, with mode 600; the old one is kept as `.bak`.
    False when `edit` gives None: nothing was written. Raises ConfigError, and writes nothing, when
    the file cannot be read, or when the edit brings in a problem that was not there before.
    """
    # Through a symbolic link the file itself is replaced, not the link.
    path = paths.config_path(env).resolve()
    before = inspect_config(env, cwd)
    new = edit(before.raw_text if before.raw_text.strip() else "{}\n")
    if new is None:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        draft = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            _refuse_new_problems(env, cwd, draft, before.problems)
            if before.exists:
                _keep(path)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError([at_root(f"cannot write {path}: {error.strerror}")]) from error
    return True


def _refuse_new_problems(
    env: Mapping[str, str], cwd: Path, draft: Path, known: tuple[ConfigProblem, ...]
) -> None:
    # The draft lies beside the file, so that its includes are found.
    state = str(paths.state_dir(env))
    after = inspect_config(
        {**env, "OPENCLAW_CONFIG_PATH": str(draft), "OPENCLAW_STATE_DIR": state}, cwd
    )
    brought_in = [problem for problem in after.problems if problem not in known]
    if brought_in:
        raise ConfigError(brought_in)


def _keep(path: Path) -> None:
    backup = path.with_name(f"{path.name}.bak")
    backup.unlink(missing_ok=True)
    handle = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(read_text(path))
