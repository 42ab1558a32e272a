"""Verbs that read the journal, with or without a gateway. Light: no pydantic, no aiohttp."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from openclaw.sdk_cli import (
    GatewayChoice,
    GatewayUnreachable,
    fail,
    plugin_section,
    print_json,
    target_of,
)
from openclaw_voice_call.errors import VoiceCallError
from openclaw_voice_call.surfaces.cli_gateway import tell
from openclaw_voice_call.surfaces.cli_view import masked_json
from openclaw_voice_call.surfaces.doors import failure_of

if TYPE_CHECKING:
    from openclaw_voice_call.store.reader import FollowedFact, JournalReader

PLUGIN: Final = "voice-call"
RECENT_CALLS: Final = 20
LEAST_POLL_MS: Final = 50


def stored_status(
    ctx: click.Context,
    choice: GatewayChoice,
    call_id: str | None,
    unreachable: GatewayUnreachable,
) -> dict[str, object]:
    """What `voicecall.status` would answer, from the journal.

    Only for a gateway of this machine that does not run; for any other raises `unreachable`.
    """
    from openclaw_voice_call.call.snapshot import snapshot

    with _instead_of_gateway(ctx, choice, unreachable) as journal:
        if call_id is None:
            found = journal.recent(RECENT_CALLS)
            live = [record for record in journal.live() if record not in found]
            calls = [snapshot(each, journal.facts(each.call_id)) for each in (*live, *found)]
            return {"found": True, "calls": calls}
        record = journal.load(call_id)
        if record is None:
            return {"found": False}
        return {"found": True, "call": snapshot(record, journal.facts(record.call_id))}


def stored_explanation(
    ctx: click.Context, choice: GatewayChoice, call_id: str, unreachable: GatewayUnreachable
) -> dict[str, object]:
    """What `voicecall.explain` would answer, as `stored_status` does."""
    from openclaw_voice_call.surfaces.explaining import explanation

    with _instead_of_gateway(ctx, choice, unreachable) as journal:
        record = journal.load(call_id)
        if record is None:
            return {"found": False}
        return explanation(record, journal.facts(record.call_id))


@click.command("tail")
@click.option("--file", "file", type=click.Path(path_type=Path), help="A calls.jsonl instead.")
@click.option(
    "--since",
    type=click.IntRange(min=0),
    default=25,
    show_default=True,
    metavar="<n>",
    help="How many past lines to begin with.",
)
@click.option(
    "--poll",
    type=click.IntRange(min=0),
    default=250,
    show_default=True,
    metavar="<ms>",
    help="How often to look for more; at least 50.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each fact as a line of JSON.")
@click.option("--mask", is_flag=True, help="Hide phone numbers but for their end.")
@click.pass_context
def tail(
    ctx: click.Context, file: Path | None, since: int, poll: int, as_json: bool, mask: bool
) -> None:
    """Show what happens on calls, as it happens, until Ctrl-C."""
    poll_s = max(poll, LEAST_POLL_MS) / 1000
    if file is not None:
        if not file.is_file():
            fail(f"No log file at {file}")
        for line in _follow_file(file, since, poll_s):
            click.echo(masked_json(line) if mask else line)
        return
    from openclaw_voice_call.surfaces.fact_lines import fact_json, fact_line

    render = fact_json if as_json else fact_line
    for fact in _follow_journal(journal_path(ctx), since, poll_s):
        click.echo(render(fact, mask=mask))


@click.command("latency")
@click.option("--file", "file", type=click.Path(path_type=Path), help="A calls.jsonl instead.")
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    metavar="<n>",
    help="How many calls (of a file: lines) to look at, the newest.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON, as when the output is no terminal.")
@click.pass_context
def latency(ctx: click.Context, file: Path | None, last: int, *, as_json: bool) -> None:
    """Print how quickly turns were answered, stage by stage, and how long was listened, in ms."""
    from openclaw_voice_call.surfaces.latency import of_calls, of_snapshots, summary, table

    def show(figures: dict[str, object]) -> None:
        if as_json or not sys.stdout.isatty():
            print_json(figures)
            return
        for line in table(figures):
            click.echo(line)

    if file is not None:
        if not file.is_file():
            fail(f"No log file at {file}")
        lines, _ = _last_lines(file, last)
        show(summary(of_snapshots(lines)))
        return
    path = journal_path(ctx)
    with opened_journal(path) as journal:
        calls = [(record, journal.facts(record.call_id)) for record in journal.recent(last)]
    show(summary(of_calls(calls)))


def journal_path(ctx: click.Context) -> Path:
    """The journal of the gateway that this machine's configuration starts. Raises ConfigError."""
    from openclaw_voice_call.store.schema import FILE_NAME, FOLDER_NAME

    section = plugin_section(ctx, PLUGIN)
    store = section.config.get("store")
    folder = Path(store).expanduser() if isinstance(store, str) and store else None
    return (folder or section.state_dir / FOLDER_NAME) / FILE_NAME


@contextmanager
def _instead_of_gateway(
    ctx: click.Context, choice: GatewayChoice, unreachable: GatewayUnreachable
) -> Generator[JournalReader]:
    """This machine's journal, when it is this machine's gateway that does not run."""
    path = journal_path(ctx)
    if not target_of(ctx, choice).local or not path.is_file():
        raise unreachable
    click.echo(
        f"no gateway is running: from the journal {path}\nStart one with: openclaw gateway run",
        err=True,
    )
    with opened_journal(path) as journal:
        yield journal


@contextmanager
def opened_journal(path: Path) -> Generator[JournalReader]:
    """Open the journal; its failures end the verb."""
    from openclaw_voice_call.store.reader import open_reader

    if not path.is_file():
        fail(f"No call journal at {path}", "The gateway makes it when the plugin is enabled.")
    try:
        with open_reader(path) as journal:
            yield journal
    except VoiceCallError as error:
        tell(failure_of(error))


def _follow_journal(path: Path, since: int, poll_s: float) -> Iterator[FollowedFact]:
    with opened_journal(path) as journal:
        click.echo(f"following {path}", err=True)
        row = journal.last_row()
        yield from _newest(journal, row, since)
        while True:
            news = journal.follow(row)
            if not news:
                time.sleep(poll_s)
                continue
            row = news[-1].row
            yield from news


def _newest(journal: JournalReader, last: int, count: int) -> Sequence[FollowedFact]:
    """The newest `count` facts up to row `last`; rows that hold no fact lie between them."""
    if count == 0:
        return ()
    reach = count
    while True:
        facts = [fact for fact in journal.follow(last - reach, reach) if fact.row <= last]
        if len(facts) >= count or reach >= last:
            return facts[-count:]
        reach *= 4


def _last_lines(file: Path, count: int) -> tuple[list[str], int]:
    """The last complete lines, and where the next one begins (bytes)."""
    from collections import deque

    end = 0
    lines: deque[str] = deque(maxlen=count)
    with file.open("rb") as source:
        for line in source:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
    return list(lines), end


def _follow_file(file: Path, since: int, poll_s: float) -> Iterator[str]:
    """The lines as they are; from the beginning when the file has become shorter."""
    lines, position = _last_lines(file, since)
    yield from lines
    while True:
        size = file.stat().st_size if file.exists() else 0
        if size < position:
            position = 0
        if size > position:
            with file.open("rb") as source:
                source.seek(position)
                block = source.read(size - position)
            whole = block[: block.rfind(b"\n") + 1]
            position += len(whole)
            yield from (each.decode("utf-8", "replace") for each in whole.splitlines())
        time.sleep(poll_s)
