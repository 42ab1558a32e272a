"""A gateway with live audio is told to end in the middle of calls that are recorded."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.audio.wav import HEADER_BYTES, separate
from openclaw_voice_call.store.recordings import FOLDER_NAME, RecordingFolder
from tests.contract.networks import COMPANIES
from tests.e2e.live import live_phone
from tests.emulators.people import Person

STORY = "Once upon a time there was a telephone that nobody could hang up at all."
SCRIPT = {"rules": [{"match": "story", "reply": STORY}]}
ABNORMAL = 1006
"""The close code of a socket that was cut."""


@pytest.mark.scenario("F68")
@pytest.mark.parametrize("carrier", COMPANIES)
async def test_sigterm_ends_live_calls_in_order_and_their_recordings_are_whole(
    carrier: str, tmp_path: Path
) -> None:
    told, silent = Person(), Person()
    people = {"+15550200000": told, "+15550200001": silent}
    config = {"recording": {"enabled": True}}
    async with live_phone(carrier, tmp_path, people, config=config, script=SCRIPT) as phone:
        gateway, company = phone.gateway, phone.company
        calls: dict[Person, str] = {}
        for number, person in people.items():
            calls[person] = await gateway.initiate(number, "Welcome.")
            await phone.listens(person)
        told.speak("story")
        await told.wait_heard("upon a time", complete=False)

        began = monotonic()
        assert await gateway.stop() == 0
        assert monotonic() - began < 5
        await company.until(lambda: all(leg.over for leg in company.legs), "an end of all calls")
        for leg in company.legs:
            assert leg.ended_by in {"gateway", "document"}
        for stream in company.media.streams:
            assert stream.close_code != ABNORMAL
        recordings = RecordingFolder(gateway.journal_dir)
        heard = {person: _words(recordings, call) for person, call in calls.items()}
        assert heard[silent] == ("", "Welcome.")
        asked, answered = heard[told]
        assert asked == "story"
        assert answered.startswith("Welcome. Once upon")
        assert "hang up" not in answered

        await gateway.start()
        for call in calls.values():
            view = await gateway.status(call)
            assert view.state == "hangup-bot"
            assert view.ended_at > 0
        assert (await gateway.status(calls[silent])).texts("bot") == ["Welcome."]
        assert company.asked("dial") == 2


@pytest.mark.scenario("F54", carrier="twilio")
async def test_a_recorded_call_that_outlives_a_kill_is_in_two_files_that_play(
    tmp_path: Path,
) -> None:
    person = Person()
    config = {"recording": {"enabled": True}}
    async with live_phone(
        "twilio", tmp_path, {"+15550200000": person}, config=config, script=SCRIPT
    ) as phone:
        call = await phone.gateway.initiate("+15550200000", "Welcome.")
        await phone.listens(person)
        await phone.answered(person, "story", "Once upon", within=2.0)
        await person.wait_heard(STORY)
        await phone.answered(person, "one", "You said: one", within=2.0)
        await phone.gateway.kill()
        await phone.gateway.start()
        await phone.stream(person, nth=2)
        await phone.answered(person, "two", "You said: two", within=2.0)
        await phone.listens(person)
        await phone.gateway.end(call)
        await phone.gateway.wait_state(call, "hangup-bot")
        assert await phone.gateway.stop() == 0
        first, second = RecordingFolder(phone.gateway.journal_dir).of(call)
        assert (first.part, second.part) == (1, 2)
        # What was heard in the last seconds before a kill is missing.
        asked, answered = _legs(first.path)
        assert asked == "story"
        assert answered.startswith("Welcome. Once upon")
        assert _legs(second.path) == ("two", "You said: two")


def _words(recordings: RecordingFolder, call: str) -> tuple[str, str]:
    [file] = recordings.of(call)
    return _legs(file.path)


def _legs(path: Path) -> tuple[str, str]:
    """The words of the other party, and ours. The file must be as long as it says."""
    assert path.parent.name == FOLDER_NAME
    data = path.read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert int.from_bytes(data[40:44], "little") == len(data) - HEADER_BYTES
    left, right = separate(data[HEADER_BYTES:])
    return tone_code.decode(mulaw.encode(left)), tone_code.decode(mulaw.encode(right))
