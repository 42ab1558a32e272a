"""Environment variables in the configuration: `${NAME}`, env files, and which source wins. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openclaw.config.problem import ConfigProblem
from openclaw.config.tree import Part, Tree, format_path, is_list, is_tree, subtree

_REFERENCE = re.compile(r"\$(?P<escape>\$?)\{(?P<name>[A-Z_][A-Z0-9_]*)\}")
# One assignment per match; a quoted value may run over several lines.
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
        (?:'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<bare>[^\n\r\#]*))""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Substituted:
    """A text after substitution."""

    text: str
    missing: tuple[str, ...] = ()
    """Names that are unset or empty; their `${NAME}` stands in the text as written."""


def substitute(text: str, env: Mapping[str, str]) -> Substituted:
    """Replace each `${NAME}` by the variable's value; `$${NAME}` becomes a literal `${NAME}`.

    Names are `[A-Z_][A-Z0-9_]*`; anything else that looks like a reference is plain text. What a
    variable holds is not substituted again.
    """
    missing: list[str] = []

    def value_of(match: re.Match[str]) -> str:
        name = match["name"]
        if match["escape"]:
            return f"${{{name}}}"
        value = env.get(name)
        if not value:
            missing.append(name)
            return match[0]
        return value

    return Substituted(_REFERENCE.sub(value_of, text), tuple(dict.fromkeys(missing)))


def escape(text: str) -> str:
    """The text that substitution turns into this one."""
    return _REFERENCE.sub(lambda match: f"${match[0]}", text)


def substitute_tree(
    value: object, env: Mapping[str, str], parts: tuple[Part, ...] = ()
) -> tuple[object, tuple[ConfigProblem, ...]]:
    """Substitute in every string of a value. Gives a copy, and a warning per missing name."""
    problems: list[ConfigProblem] = []

    def walk(item: object, at: tuple[Part, ...]) -> object:
        if isinstance(item, str):
            result = substitute(item, env)
            problems.extend(missing_variable(at, name) for name in result.missing)
            return result.text
        if is_tree(item):
            return {key: walk(below, (*at, key)) for key, below in item.items()}
        if is_list(item):
            return [walk(below, (*at, index)) for index, below in enumerate(item)]
        return item

    return walk(value, parts), tuple(problems)


def missing_variable(parts: tuple[Part, ...], name: str) -> ConfigProblem:
    """The warning that a value at this path names a variable that is not set."""
    return ConfigProblem(
        format_path(parts),
        f"environment variable {name} is not set or empty",
        remedy=f"set {name} or write the value into the file",
        severity="warning",
    )


def parse_env_file(text: str) -> dict[str, str]:
    r"""The variables of a `.env` file: `NAME=value`, optional `export`, quotes, `#` comments.

    Inside double quotes `\n`, `\r`, `\t` and backslash escapes are known; single quotes are
    literal.
    """
    return {match["name"]: _assigned(match) for match in _ASSIGNMENT.finditer(text)}


def _assigned(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(
            r"\\(.)",
            lambda escape: _ESCAPES.get(escape[1], escape[1]),
            match["double"],
            flags=re.DOTALL,
        )
    return match["bare"].strip()


def config_variables(parsed: Tree) -> dict[str, str]:
    """The variables that the file itself gives: `env.vars.{NAME}` and `env.{NAME}`."""
    return dict(_strings(subtree(parsed, "env"))) | dict(_strings(subtree(parsed, "env", "vars")))


def _strings(tree: Tree) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in tree.items() if isinstance(value, str))


def layered(*sources: Mapping[str, str]) -> dict[str, str]:
    """One environment from several, the first that sets a name to something wins."""
    merged: dict[str, str] = {}
    for source in reversed(sources):
        merged.update(
            {name: value for name, value in source.items() if value or name not in merged}
        )
    return merged
