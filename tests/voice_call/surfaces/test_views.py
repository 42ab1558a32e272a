"""Lines for people: masked, harmless, one each."""

from __future__ import annotations

from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.surfaces.cli_view import masked, one_line, table
from openclaw_voice_call.surfaces.fact_lines import WORDS, describe, tag_of
from tests.voice_call.store.calls import FACTS


def test_every_fact_has_words() -> None:
    assert {tag_of(kind) for kind in get_args(Fact)} <= set(WORDS)


@pytest.mark.scenario("F109")
@given(fact=FACTS)
def test_a_fact_is_one_printable_line(fact: Fact) -> None:
    line = describe(fact)
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@given(text=st.text())
def test_no_text_leaves_its_line(text: str) -> None:
    assert one_line(text).isprintable() or not text


@given(number=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_masked_number_shows_its_end_only(number: str) -> None:
    record: dict[str, object] = {
        "callId": number,
        "from": number,
        "transcript": [{"text": f"It is {number}."}],
        "startedAt": 1_795_358_460_971,
    }
    hidden = masked(record)
    assert hidden["from"] == f"***{number[-4:]}"
    assert number[1:] not in str(hidden["transcript"])
    assert (hidden["callId"], hidden["startedAt"]) == (number, record["startedAt"])


def test_the_table_is_aligned() -> None:
    calls = cast(
        "list[dict[str, object]]",
        [
            {
                "callId": "a",
                "direction": "outbound",
                "state": "active",
                "from": "+15550001234",
                "to": "+15551112222",
                "startedAt": 1_000,
                "answeredAt": 2_000,
            },
            {
                "callId": "bb",
                "direction": "inbound",
                "state": "completed",
                "from": "",
                "to": "+15550001234",
                "startedAt": 1_000,
                "answeredAt": 2_000,
                "endedAt": 9_000,
            },
        ],
    )
    head, first, second = table(calls, now_ms=5_000)
    assert [line.index(word) for line, word in ((head, "TO"), (first, "+15551"), (second, "+1555"))]
    assert head.index("TO") == first.index("+15551112222") == second.index("+15550001234")
    assert (first.split()[-1], second.split()[-1]) == ("3", "7")
    assert list(table([], now_ms=0)) == ["No calls."]
