"""`$include`: parts of the configuration in files of their own, in the configuration's folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from openclaw.config.json5 import Json5SyntaxError, parse
from openclaw.config.problem import ConfigProblem
from openclaw.config.tree import Part, Tree, deep_merge, format_path, is_list, is_tree
from openclaw.errors import ConfigError

INCLUDE = "$include"
MAX_DEPTH = 10

ReadText: TypeAlias = Callable[[Path], str]


def expand_includes(parsed: object, file: Path, read: ReadText) -> object:
    """Replace each `{$include: "./x.json5"}` in what `file` holds.

    A list of files is merged in order, keys beside `$include` win over the included ones. `read`
    gives a file's text and raises OSError or UnicodeDecodeError. Raises ConfigError naming the
    place for a file outside the folder (symbolic links followed), unreadable, malformed, in a
    circle or nested more than ten deep.
    """
    return _Expansion(file.resolve().parent, read).expand(parsed, (), (file.resolve(),))


class _Expansion:
    def __init__(self, root: Path, read: ReadText) -> None:
        self._root = root
        self._read = read

    def expand(self, value: object, at: tuple[Part, ...], chain: tuple[Path, ...]) -> object:
        if is_list(value):
            return [self.expand(item, (*at, index), chain) for index, item in enumerate(value)]
        if not is_tree(value):
            return value
        beside = {
            key: self.expand(item, (*at, key), chain)
            for key, item in value.items()
            if key != INCLUDE
        }
        return self._merge(value, beside, at, chain) if INCLUDE in value else beside

    def _merge(
        self, value: Tree, beside: dict[str, object], at: tuple[Part, ...], chain: tuple[Path, ...]
    ) -> object:
        wanted = value[INCLUDE]
        names = wanted if is_list(wanted) else [wanted]
        merged: object = {}
        for name in names:
            if not isinstance(name, str):
                raise _refused(at, "$include must be a string or an array of strings")
            included = self._load(name, at, chain)
            merged = included if len(names) == 1 else deep_merge(merged, included)
        if not beside:
            return merged
        if not is_tree(merged):
            raise _refused(
                at, "an included file must hold an object when keys stand beside $include"
            )
        return deep_merge(merged, beside)

    def _load(self, name: str, at: tuple[Part, ...], chain: tuple[Path, ...]) -> object:
        path = (chain[-1].parent / name).resolve()
        if not path.is_relative_to(self._root):
            raise _refused(
                at,
                f"Include path escapes config directory: {name}",
                f"keep included files in {self._root}",
            )
        if path in chain:
            circle = " -> ".join(each.name for each in (*chain, path))
            raise _refused(at, f"Circular include detected: {circle}")
        if len(chain) > MAX_DEPTH:
            raise _refused(at, f"includes are nested more than {MAX_DEPTH} deep at {name}")
        try:
            text = self._read(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise _refused(
                at, f"Failed to read include file: {name} (resolved: {path}): {reason}"
            ) from error
        try:
            parsed = parse(text)
        except Json5SyntaxError as error:
            raise _refused(
                at, f"Failed to parse include file: {name} (resolved: {path}): {error}"
            ) from None
        return self.expand(parsed, at, (*chain, path))


def _refused(at: tuple[Part, ...], message: str, remedy: str | None = None) -> ConfigError:
    return ConfigError([ConfigProblem(format_path(at), message, remedy=remedy)])
