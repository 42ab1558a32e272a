"""What live audio has to bear with Telnyx alone: frames out of order, keys that are told twice."""

from __future__ import annotations

from pathlib import Path

from tests.contract.bench import leaves_after, words
from tests.contract.live import live
from tests.contract.network import THEIRS
from tests.emulators.media import Shuffle
from tests.emulators.people import Person, Reply


async def test_frames_in_disorder_are_understood(tmp_path: Path) -> None:
    them = leaves_after("One two three four five.")
    async with live("telnyx", tmp_path, {THEIRS: them}) as here:
        here.network.spoil_streams(Shuffle())
        record = await here.ended(await here.call())
        assert words(record, "user") == ["One two three four five."]


async def test_a_key_that_the_stream_and_a_webhook_tell_counts_once(tmp_path: Path) -> None:
    them = Person([Reply(digits="77#")])
    async with live("telnyx", tmp_path, {THEIRS: them}) as here:
        call = await here.call("Your number, please?")
        await them.wait_heard("77")
        record = await here.wait_state(call, "listening")
        assert (await here.network.stream()).keys == ["7", "7", "#"]
        # Telnyx has told each of them by a webhook, too.
        await here.network.until(lambda: len(here.network.sent("heard")) == 3, "three webhooks")
        assert words(record, "user") == ["77"]
        await here.service.end(call)
        await here.ended(call)
