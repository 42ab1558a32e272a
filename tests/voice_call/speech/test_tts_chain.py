"""Who speaks when somebody cannot, and what is sent to vendors at all."""

from __future__ import annotations

import logging
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.voice_chain import REQUEST_CHARS, VoiceChain, parts
from tests.clock import FakeClock
from tests.voice_call.speech.voices import FakeVoice, failure, said


def chain(*voices: FakeVoice, clock: FakeClock | None = None) -> VoiceChain:
    return VoiceChain(voices, clock or FakeClock())


async def test_the_first_voice_speaks_alone() -> None:
    first, second = FakeVoice("a"), FakeVoice("b")
    assert await said(chain(first, second), "one two") == b"a:one a:two "
    assert second.orders == []


@pytest.mark.scenario("F7", "F15")
async def test_the_next_voice_says_what_the_first_could_not() -> None:
    first, second = FakeVoice("a", fails="empty"), FakeVoice("b")
    assert await said(chain(first, second), "one") == b"b:one "


async def test_what_has_begun_is_not_continued_in_another_voice() -> None:
    first, second = FakeVoice("a", fails="stalled", after=1), FakeVoice("b")
    both = chain(first, second)
    failed = await failure(both, "one two")
    assert (failed.vendor_code, failed.partial) == ("stalled", True)
    assert second.orders == []
    assert await said(both, "one two") == b"b:one b:two "


@pytest.mark.scenario("F7")
async def test_a_voice_that_failed_rests_and_is_tried_again() -> None:
    clock = FakeClock()
    first, second = FakeVoice("a", fails="429"), FakeVoice("b")
    both = chain(first, second, clock=clock)
    await said(both)
    await said(both)
    assert len(first.orders) == 1
    assert both.name == "b"
    await clock.advance(30)
    first.fails = None
    assert (await said(both, "x")) == b"a:x "
    assert both.name == "a"


async def test_each_further_failure_doubles_the_rest_up_to_a_limit() -> None:
    clock = FakeClock()
    first, second = FakeVoice("a", fails="500"), FakeVoice("b")
    both = chain(first, second, clock=clock)
    for tries, rest in enumerate([30, 60, 120, 240, 300, 300], start=1):
        await said(both)
        assert len(first.orders) == tries
        await clock.advance(rest - 1)
        await said(both)
        assert len(first.orders) == tries
        await clock.advance(1)


async def test_one_outage_that_many_calls_meet_is_one_failure() -> None:
    clock = FakeClock()
    first, second = FakeVoice("a", fails="500", after=1), FakeVoice("b")
    both = chain(first, second, clock=clock)
    begun = [both.speak(SpeechOrder("x")) for _ in range(10)]
    for each in begun:
        assert await anext(each) == b"a:x "
    for each in begun:
        with pytest.raises(Exception, match="it failed"):
            await anext(each)
    first.fails = None
    await clock.advance(30)
    assert await said(both, "x") == b"a:x "


async def test_when_all_have_failed_they_are_asked_all_the_same() -> None:
    clock = FakeClock()
    first, second = FakeVoice("a", fails="401"), FakeVoice("b", fails="500")
    both = chain(first, second, clock=clock)
    failed = await failure(both)
    assert (failed.vendor, failed.vendor_code) == ("b", "500")
    assert not failed.partial
    first.fails = None
    assert await said(both, "x") == b"a:x "


async def test_a_voices_name_is_one_of_the_first_vendor() -> None:
    first, second = FakeVoice("a", fails="500"), FakeVoice("b")
    await said(chain(first, second), language="de-DE", as_voice="coral")
    assert [(each.voice, each.language) for each in first.orders] == [("coral", "de-DE")]
    assert [(each.voice, each.language) for each in second.orders] == [(None, "de-DE")]


@pytest.mark.scenario("F7")
async def test_failures_are_logged_once_and_so_is_the_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    first = FakeVoice("a", fails="quota_exceeded")
    both = chain(first, FakeVoice("b"), clock=clock)
    for _ in range(3):
        await said(both, "something private")
        await clock.advance(31)
    first.fails = None
    await clock.advance(300)
    await said(both)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [("WARNING", "voice failed"), ("INFO", "voice speaks again")]
    fields = vars(caplog.records[0])
    assert (fields["vendor"], fields["code"], fields["next"]) == ("a", "quota_exceeded", "b")
    assert "private" not in repr([vars(record) for record in caplog.records])


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!", "🙂", "— “”"])
async def test_nothing_to_say_is_not_sent_to_anybody(text: str) -> None:
    first = FakeVoice("a")
    failed = await failure(chain(first), text)
    assert failed.vendor_code == "nothing_to_say"
    assert first.orders == []
    assert await said(chain(first), "x") == b"a:x "


async def test_whoever_stops_listening_stops_the_voice() -> None:
    first, second = FakeVoice("a"), FakeVoice("b")
    async with aclosing(chain(first, second).speak(SpeechOrder("one two"))) as audio:
        assert await anext(audio)
        assert first.stopped == 0
    assert first.stopped == 1
    assert second.orders == []


async def test_a_long_text_is_said_in_requests_that_vendors_take() -> None:
    voice = FakeVoice("a")
    text = "A sentence of some words. " * 400
    spoken = await said(chain(voice), text)
    assert spoken.count(b"words.") == 400
    assert all(len(each.text) <= REQUEST_CHARS for each in voice.orders)
    assert all(each.text.strip().endswith("words.") for each in voice.orders)


async def test_a_text_beyond_the_owners_limit_is_cut_at_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    voice = FakeVoice("a")
    limited = VoiceChain([voice], FakeClock(), max_text_length=12)
    assert await said(limited, "one two three four") == b"a:one a:two "
    assert [record.getMessage() for record in caplog.records] == ["text to speak is cut"]


async def test_warming_up_is_for_who_speaks_next_and_closing_for_all() -> None:
    first, second = FakeVoice("a", fails="500"), FakeVoice("b")
    both = chain(first, second)
    await said(both)
    await both.warm_up()
    assert (first.warmed, second.warmed) == (0, 1)
    await both.close()
    assert (first.closed, second.closed) == (1, 1)


@given(st.text(), st.integers(1, 40))
def test_parts_are_the_text_and_not_too_long(text: str, limit: int) -> None:
    pieces = list(parts(text, limit))
    assert "".join(pieces) == text
    assert all(len(piece) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two. Three four five", ["One two. ", "Three four five"]),
        ("One, two three four", ["One, ", "two three four"]),
        ("Version 3.14159 is it", ["Version 3.14159 ", "is it"]),
        ("一二三。四五六七八九十一二三四五六七", ["一二三。", "四五六七八九十一二三四五六七"]),
        ("x" * 20, ["x" * 16, "x" * 4]),
    ],
)
def test_a_text_is_parted_where_it_is_heard_least(text: str, expected: list[str]) -> None:
    assert list(parts(text, 16)) == expected
