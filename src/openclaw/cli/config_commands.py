"""`openclaw config`: show, read, check and change the configuration file.

`file` and `get` do without the typed models; only `validate` imports plugins.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from openclaw.config import paths
from openclaw.config.json5 import Json5SyntaxError, parse
from openclaw.config.redact import redact
from openclaw.config.source import read_source
from openclaw.config.tree import Part, is_list, is_tree, lookup, parse_path
from openclaw.errors import ConfigError

if TYPE_CHECKING:
    from openclaw.config.load import LoadedConfig
    from openclaw.config.problem import ConfigProblem

PluginProblems: TypeAlias = "Callable[[LoadedConfig], Sequence[ConfigProblem]]"


def _installed_plugins_problems(loaded: "LoadedConfig") -> "Sequence[ConfigProblem]":
    from openclaw.plugins.check import plugin_problems

    return plugin_problems(loaded)


def config_group(plugin_problems: PluginProblems = _installed_plugins_problems) -> click.Group:
    """The command group; `plugin_problems` checks the plugins' own sections for `validate`."""
    group = click.Group("config", help="Show, read, check and change the configuration file.")
    group.add_command(show_file)
    group.add_command(get)
    group.add_command(set_command)
    group.add_command(unset)
    group.add_command(_validate_command(plugin_problems))
    return group


@click.command("file")
def show_file() -> None:
    """Print the path of the configuration file."""
    click.echo(str(paths.config_path(os.environ)))


@click.command()
@click.argument("path")
def get(path: str) -> None:
    """Print the value at PATH as the file has it, secrets hidden."""
    try:
        parts = parse_path(path)
        value = lookup(read_source(os.environ, Path.cwd()).parsed, parts)
    except (ValueError, ConfigError) as error:
        raise click.ClickException(str(error)) from error
    if value is None:
        click.echo(f"Config path not found: {path}", err=True)
        raise SystemExit(1)
    click.echo(_shown(redact(value, parts)))


@click.command("set")
@click.argument("path")
@click.argument("value")
@click.option("--strict-json", "--json", "strict", is_flag=True, help="VALUE must be JSON.")
def set_command(path: str, value: str, strict: bool) -> None:
    """Write VALUE at PATH, and leave the rest of the file as it is.

    VALUE is read as JSON5, and as plain text when it is none. A phone number is always text.
    """
    from openclaw.config.edit import set_value

    parsed = _parse_value(value, strict=strict)
    _change(path, lambda text, parts: set_value(text, parts, parsed))
    click.echo(f"Updated {path}. Restart the gateway to apply.")


@click.command()
@click.argument("path")
def unset(path: str) -> None:
    """Remove the value at PATH."""
    from openclaw.config.edit import unset_value

    _change(path, unset_value)
    click.echo(f"Removed {path}. Restart the gateway to apply.")


def _parse_value(value: str, *, strict: bool) -> object:
    if strict:
        try:
            return json.loads(value)
        except ValueError as error:
            raise click.ClickException(f"the value is not JSON: {error}") from error
    # JSON5 would read +15550001234 as a number and lose the plus.
    if value.startswith("+") and value[1:].isdigit():
        return value
    try:
        return parse(value)
    except Json5SyntaxError:
        return value


def _change(path: str, edit: "Callable[[str, tuple[Part, ...]], str | None]") -> None:
    from openclaw.config.rewrite import rewrite_config

    try:
        parts = parse_path(path)
        found = bool(parts) and rewrite_config(
            os.environ, Path.cwd(), lambda text: edit(text, parts)
        )
    except (ValueError, ConfigError) as error:
        raise click.ClickException(str(error)) from error
    if not found:
        click.echo(f"Config path not found: {path}", err=True)
        raise SystemExit(1)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    indent = 2 if is_tree(value) or is_list(value) else None
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _validate_command(plugin_problems: PluginProblems) -> click.Command:
    @click.command()
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    def validate(as_json: bool) -> None:
        """Check the configuration file, the plugins' sections included."""
        path, problems = _check(os.environ, Path.cwd(), plugin_problems)
        errors = [each for each in problems if each.severity == "error"]
        warnings = [each for each in problems if each.severity == "warning"]
        if as_json:
            result = {
                "valid": not errors,
                "path": str(path),
                "issues": [_issue(each) for each in errors],
                "warnings": [_issue(each) for each in warnings],
            }
            click.echo(json.dumps(result, indent=2, ensure_ascii=False))
        else:
            _print_result(path, errors, warnings)
        if errors:
            raise SystemExit(1)

    return validate


def _check(
    env: Mapping[str, str], cwd: Path, plugin_problems: PluginProblems
) -> "tuple[Path, Sequence[ConfigProblem]]":
    from openclaw.config.gateway_rules import gateway_problems
    from openclaw.config.load import inspect_config

    try:
        loaded = inspect_config(env, cwd)
    except ConfigError as error:
        return paths.config_path(env), error.problems
    found = [*loaded.problems, *loaded.warnings]
    if not loaded.problems:
        found += gateway_problems(loaded)
    found += _agent_problems(loaded)
    found += plugin_problems(loaded)
    # A missing variable can be both a warning of the file and an error of who needs it.
    needed = {problem.path for problem in found if problem.severity == "error"}
    kept = [each for each in found if each.severity == "error" or each.path not in needed]
    return loaded.path, list(dict.fromkeys(kept))


def _agent_problems(loaded: "LoadedConfig") -> "Sequence[ConfigProblem]":
    """What would keep the gateway's agents from starting."""
    from openclaw.agent.settings import AgentSettings

    try:
        AgentSettings.parse(loaded.resolved, loaded.env)
    except ConfigError as error:
        return error.problems
    return ()


def _issue(problem: "ConfigProblem") -> dict[str, str]:
    return {"path": problem.path, "message": problem.detail()}


def _print_result(
    path: Path, errors: "Sequence[ConfigProblem]", warnings: "Sequence[ConfigProblem]"
) -> None:
    if errors:
        click.echo(f"Config invalid at {path}:", err=True)
    else:
        click.echo(f"Config valid: {path}")
        if not path.exists():
            click.echo("There is no such file; defaults apply.", err=True)
    for problem in errors:
        click.echo(f"  x {problem.render()}", err=True)
    for problem in warnings:
        click.echo(f"  ! {problem.render()}", err=True)


config = config_group()
