"""`openclaw voicecall recordings list|delete`: the recorded calls of this machine. Light."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from openclaw.sdk_cli import fail, print_json
from openclaw_voice_call.surfaces.cli_journal import journal_path, opened_journal
from openclaw_voice_call.surfaces.cli_view import aligned, local_time, one_line

if TYPE_CHECKING:
    from openclaw_voice_call.store.recordings import RecordingFolder, StoredRecording

_HEAD: Final = ("CALL", "ENDED", "SECONDS", "FILE")


@click.group("recordings", no_args_is_help=True)
def recordings() -> None:
    """Show and delete the recordings of calls (recording.enabled, or call --record).

    They are files of this machine: no gateway is needed.
    """


@recordings.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """Show the recordings, oldest first."""
    with _folder(ctx) as folder:
        found = folder.all()
    if as_json:
        print_json({"folder": str(folder.path), "recordings": [_shown(each) for each in found]})
        return
    for line in recording_lines(found):
        click.echo(line)


@recordings.command("delete")
@click.argument("call_id", metavar="CALL-ID")
@click.pass_context
def delete(ctx: click.Context, call_id: str) -> None:
    """Delete the recordings of a call that is over. Its transcript stays."""
    path = journal_path(ctx)
    if path.is_file():
        with opened_journal(path) as reader:
            record = reader.load(call_id)
        if record is not None and record.live:
            fail(
                "The call is not over",
                f"Remedy: End it with: openclaw voicecall end --call-id {one_line(call_id)}",
            )
        call_id = call_id if record is None else record.call_id
    with _folder(ctx) as folder:
        found = folder.of(call_id)
        for each in found:
            each.path.unlink(missing_ok=True)
    if not found:
        fail(
            f"No recording of the call {one_line(call_id)} in {folder.path}",
            "Remedy: List the recordings with: openclaw voicecall recordings list",
        )
    print_json({"callId": call_id, "deleted": [each.path.name for each in found]})


def recording_lines(found: Sequence[StoredRecording]) -> Iterator[str]:
    """The recordings for people."""
    if not found:
        yield "No recordings."
        return
    yield from aligned([_HEAD, *(_row(each) for each in found)])


@contextmanager
def _folder(ctx: click.Context) -> Generator[RecordingFolder]:
    """The recordings of the gateway that this machine's configuration starts."""
    from openclaw_voice_call.store.recordings import RecordingFolder

    folder = RecordingFolder(journal_path(ctx).parent)
    try:
        yield folder
    except OSError as error:
        fail(f"The recordings in {folder.path} cannot be used: {error.strerror}")


def _shown(each: StoredRecording) -> dict[str, object]:
    return {
        "callId": each.call_id,
        "path": str(each.path),
        "endedAt": round(each.written_at * 1000),
        "seconds": round(each.seconds, 3),
        "bytes": each.size,
    }


def _row(each: StoredRecording) -> tuple[str, ...]:
    ended = local_time(each.written_at * 1000, "%Y-%m-%d %H:%M:%S")
    return (one_line(each.call_id), ended, f"{each.seconds:.1f}", one_line(each.path))
