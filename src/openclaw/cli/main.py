"""`openclaw`: finds the verb, loads its module, and turns errors into text and exit status."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

import click

from openclaw import __version__
from openclaw.cli.output import complain, explained
from openclaw.cli.rpc import CliContext
from openclaw.errors import OpenClawError

LOG_LEVELS = ("silent", "fatal", "error", "warn", "info", "debug", "trace")

_INTERRUPTED = 130
_UNKNOWN_COMMAND = re.compile(r"No such command ['\"](.*?)['\"]")


class _Verb(NamedTuple):
    module: str
    name: str
    help: str


_VERBS = {
    "agent": _Verb("openclaw.cli.agent_command", "agent", "Ask an agent through the gateway."),
    "config": _Verb("openclaw.cli.config_mount", "config", "Show and check the configuration."),
    "gateway": _Verb("openclaw.cli.gateway_commands", "gateway", "Run the gateway, or look at it."),
    "health": _Verb("openclaw.cli.overview", "health", "Ask the gateway how it is."),
    "logs": _Verb("openclaw.cli.logs_command", "logs", "Show the gateway's log."),
    "plugins": _Verb("openclaw.cli.plugin_commands", "plugins", "Show and install plugins."),
    "status": _Verb("openclaw.cli.overview", "status", "Show gateway, agents and plugins."),
}


class LazyGroup(click.Group):
    """Knows its sub-commands by name; a module is imported when its command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_VERBS, *_plugin_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = _VERBS.get(cmd_name)
        if verb is not None:
            return _checked(getattr(import_module(verb.module), verb.name))
        point = _plugin_commands().get(cmd_name)
        return None if point is None else _plugin_command(point)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, verb.help) for name, verb in _VERBS.items()]
        for name, point in _plugin_commands().items():
            rows.append((name, f"Commands of the plugin package {_package(point)}."))
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


@click.group(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--profile", metavar="<name>", help="Use ~/.openclaw-<name> as state folder.")
@click.option("--dev", is_flag=True, help="The profile dev, on port 19001.")
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    envvar="OPENCLAW_LOG_LEVEL",
    help="How much the gateway logs; wins over logging.level.",
)
@click.version_option(__version__, "-V", "--version", message="%(version)s")
@click.pass_context
def cli(ctx: click.Context, profile: str | None, dev: bool, log_level: str | None) -> None:
    """A small OpenClaw gateway, and the commands that talk to it."""
    # What goes wrong is said by the command itself; only the gateway has a log.
    logging.getLogger().addHandler(logging.NullHandler())
    chosen = "dev" if dev else profile
    if chosen:
        from openclaw.config.paths import state_dir

        # Whatever reads the environment from here on, a plugin included, sees the profile.
        os.environ["OPENCLAW_STATE_DIR"] = str(state_dir(os.environ, chosen))
    ctx.obj = CliContext(chosen, log_level)


def main() -> None:
    """The entry point of the command."""
    sys.exit(run(sys.argv[1:]))


def run(args: Sequence[str]) -> int:
    """Carry out a command line and give the exit status."""
    try:
        outcome: object = cli.main(list(args), "openclaw", standalone_mode=False)
    except click.exceptions.Abort:
        return _INTERRUPTED
    except click.UsageError as error:
        return _misused(error)
    except click.ClickException as error:
        complain(error.format_message())
        return 1
    except OpenClawError as error:
        complain(*explained(error))
        return 1
    except BrokenPipeError:
        # The reader has gone (`| head`); the interpreter must not write what is left either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return outcome if isinstance(outcome, int) else 0


def _misused(error: click.UsageError) -> int:
    """Usage errors in the texts that scripts for the original know."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return 1
    text = error.format_message()
    unknown = _UNKNOWN_COMMAND.search(text)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        text = _missing(error.param, error.ctx)
    elif isinstance(error, click.NoSuchOption):
        text = f"unknown option '{error.option_name}'"
        if error.possibilities:
            text += f" (did you mean {', '.join(sorted(error.possibilities))}?)"
    elif unknown:
        text = f"unknown command '{unknown[1]}'"
    complain(text, f"See: {error.ctx.command_path} --help" if error.ctx else None)
    return 1


def _missing(param: click.Parameter, ctx: click.Context | None) -> str:
    if isinstance(param, click.Option) and ctx is not None:
        value = param.metavar or f"<{param.type.name}>"
        flags = sorted(param.opts, key=len)
        return f"required option '{', '.join(flags)} {value}' not specified"
    return f"missing required argument '{param.name}'"


def _plugin_commands() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group="openclaw.commands"):
        found.setdefault(point.name, point)
    return {name: point for name, point in found.items() if name not in _VERBS}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module


def _plugin_command(point: EntryPoint) -> click.Command:
    try:
        return _checked(point.load())
    except (ImportError, AttributeError) as error:
        text = f"the command {point.name} of {_package(point)} cannot be loaded: {error}"
        raise click.ClickException(text) from error


def _checked(candidate: object) -> click.Command:
    if not isinstance(candidate, click.Command):
        raise click.ClickException(f"{candidate!r} is no command of click")
    return candidate
