"""Session files: what is remembered, for whom, and what a crash leaves."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.agent.interface import Role
from openclaw.agent.sessions import MAX_NAME, Message, SessionStore, fold, owner, safe_name
from openclaw.errors import HistoryUnavailable

KEY = "agent:main:voice:15550001111"


def message(turn: str, role: Role, text: str, at: float = 1.0) -> Message:
    return Message(turn, role, text, at)


def exchange(turn: str, user: str, heard: str) -> list[Message]:
    return [message(turn, "user", user), message(turn, "assistant", heard)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SessionStore]:
    opened = SessionStore(tmp_path, keep_turns=3)
    yield opened
    await opened.close()


async def test_what_is_written_is_read_back_by_another_process(
    store: SessionStore, tmp_path: Path
) -> None:
    said = exchange("1", 'Größe "L"\n\x07 {"a": 1} </Say>', "Gut.")
    await store.record(KEY, said)

    other = SessionStore(tmp_path)
    assert list(await other.history(KEY)) == said
    await other.close()


async def test_a_session_that_never_was_is_empty_and_makes_no_file(
    store: SessionStore, tmp_path: Path
) -> None:
    assert await store.history(KEY) == ()
    assert list(tmp_path.iterdir()) == []


async def test_only_the_newest_turns_are_loaded(store: SessionStore) -> None:
    for turn in "12345":
        await store.record(KEY, exchange(turn, f"question {turn}", f"answer {turn}"))
    assert [m.text for m in await store.history(KEY)] == [
        *("question 3", "answer 3", "question 4", "answer 4", "question 5", "answer 5")
    ]


async def test_loading_a_long_file_reads_its_end_only(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, tail_bytes=1000)
    for turn in range(100):
        await store.record(KEY, exchange(str(turn), f"question {turn}", f"answer {turn}"))
    await store.close()
    restarted = SessionStore(tmp_path, tail_bytes=1000)
    history = await restarted.history(KEY)
    await restarted.close()
    assert 10 < len(history) < 20
    assert history[-1].text == "answer 99"


async def test_writing_the_same_again_changes_nothing(store: SessionStore) -> None:
    await store.record(KEY, exchange("1", "Hello", "Good day"))
    before = store.path(KEY).read_bytes()
    await store.record(KEY, [message("1", "user", "Hello", at=99.0)])
    await store.record(KEY, exchange("1", "Hello", "Good day"))
    assert store.path(KEY).read_bytes() == before


async def test_a_turn_written_differently_takes_the_place_of_the_earlier_one(
    store: SessionStore,
) -> None:
    await store.record(KEY, exchange("1", "Hello", "Good day to you"))
    await store.record(KEY, exchange("2", "Bye", "Goodbye"))
    await store.record(KEY, exchange("1", "Hello", "Good day"))
    texts = [m.text for m in await store.history(KEY)]
    assert texts == ["Hello", "Good day", "Bye", "Goodbye"]


async def test_what_was_not_heard_is_not_remembered_and_can_be_taken_back(
    store: SessionStore,
) -> None:
    await store.record(KEY, exchange("1", "Hello", ""))
    assert [m.text for m in await store.history(KEY)] == ["Hello"]
    await store.record(KEY, exchange("1", "Hello", "Good day"))
    await store.record(KEY, exchange("1", "Hello", ""))
    assert [m.text for m in await store.history(KEY)] == ["Hello"]


@pytest.mark.parametrize("keep", range(1, 70))
async def test_a_torn_last_line_costs_that_line_only(
    store: SessionStore, tmp_path: Path, keep: int, caplog: pytest.LogCaptureFixture
) -> None:
    await store.record(KEY, exchange("1", "Hello", "Good day"))
    whole = store.path(KEY).read_bytes()
    await store.record(KEY, [message("2", "user", "How are you today, my friend?")])
    store.path(KEY).write_bytes(store.path(KEY).read_bytes()[: len(whole) + keep])

    restarted = SessionStore(tmp_path)
    assert [m.text for m in await restarted.history(KEY)] == ["Hello", "Good day"]
    await restarted.record(KEY, exchange("3", "Still there?", "Yes"))
    texts = ["Hello", "Good day", "Still there?", "Yes"]
    assert [m.text for m in await restarted.history(KEY)] == texts
    await restarted.close()
    again = SessionStore(tmp_path)
    assert [m.text for m in await again.history(KEY)] == texts
    await again.close()
    assert "friend" not in caplog.text


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[]", b'{"turn": 1}', b"null", b"{"])
def test_lines_that_are_not_messages_are_skipped(line: bytes) -> None:
    good = b'{"turn":"1","role":"user","text":"Hello","at":1.0}'
    assert fold([line, good, line], 10) == (message("1", "user", "Hello"),)


async def test_files_are_for_their_owner_only(store: SessionStore) -> None:
    await store.record(KEY, exchange("1", "Hello", "Good day"))
    file = store.path(KEY)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "agents").write_text("a file where a folder should be")
    store = SessionStore(tmp_path)
    with pytest.raises(HistoryUnavailable, match="agents"):
        await store.record(KEY, exchange("1", "Hello", "Good day"))
    await store.close()


async def test_an_error_does_not_tell_the_callers_number(store: SessionStore) -> None:
    store.path(KEY).mkdir(parents=True)
    with pytest.raises(HistoryUnavailable) as failed:
        await store.record(KEY, exchange("1", "Hello", "Good day"))
    assert "agents/main/sessions" in str(failed.value)
    assert "15550001111" not in str(failed.value)
    assert failed.value.__suppress_context__


async def test_a_closed_store_says_so(store: SessionStore) -> None:
    await store.close()
    with pytest.raises(HistoryUnavailable, match="stopping"):
        await store.history(KEY)


async def test_what_was_asked_for_is_written_before_closing_ends(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    async with asyncio.TaskGroup() as group:
        for turn in range(20):
            group.create_task(store.record(KEY, exchange(str(turn), "Hello", "Good day")))
        await asyncio.sleep(0)
        await store.close()
    assert store.path(KEY).read_bytes().count(b"\n") == 40


@pytest.mark.parametrize(
    ("key", "agent"),
    [
        ("agent:main:main", "main"),
        ("agent:sales:voice:1555", "sales"),
        ("voice:15550001111", "main"),
        ("agent:sales", "main"),
        ("agent::x", "main"),
        ("", "main"),
    ],
)
def test_the_session_key_names_its_agent(key: str, agent: str) -> None:
    assert owner(key) == agent


NAMES = st.text() | st.text("aA%~./\\:", max_size=8) | st.text("ab", min_size=100, max_size=140)


@given(NAMES, NAMES)
def test_names_are_safe_and_never_shared(one: str, other: str) -> None:
    name = safe_name(one)
    assert 0 < len(name) <= MAX_NAME
    assert not set(name) & set("/\\:.\0\n")
    assert name.isascii()
    if one != other:
        assert name.casefold() != safe_name(other).casefold()


@pytest.mark.parametrize("key", ["../../etc/passwd", "agent:../../x:y", "/etc/passwd", "a\0b", "."])
async def test_a_session_key_never_leads_out_of_the_folder(
    store: SessionStore, tmp_path: Path, key: str
) -> None:
    await store.record(key, exchange("1", "Hello", "Good day"))
    assert store.path(key).resolve().is_relative_to(tmp_path.resolve() / "agents")
    assert len(await store.history(key)) == 2


async def test_half_a_character_from_the_line_is_stored_as_a_question_mark(
    store: SessionStore,
) -> None:
    await store.record(KEY, exchange("1", "a\ud800b", "Good day"))
    assert (await store.history(KEY))[0].text == "a?b"
