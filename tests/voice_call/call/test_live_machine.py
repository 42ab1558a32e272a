"""Live audio in the pure machine: streams, sentences as they come, interruptions, falling back."""

from __future__ import annotations

import msgspec
import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import (
    Fact,
    Interrupted,
    PathChanged,
    Recorded,
    RecordingLost,
    Said,
    StoredFact,
    TurnHeard,
    TurnMeasured,
)
from openclaw_voice_call.call.instruct import Play, Stale, instruct
from openclaw_voice_call.call.live import SAY_AGAIN, STILL_THERE, STREAM_GRACE_S, STREAMS_LIMIT
from openclaw_voice_call.call.record import MediaStream
from openclaw_voice_call.call.script import ConnectStream, Digits, Listen, Say, StepRef
from openclaw_voice_call.call.snapshot import snapshot, transcript
from openclaw_voice_call.call.types import EndReason, Mode, TurnTimes, VoicePathKind
from tests.voice_call.call.playbook import LEG, T0, Playbook

FILLERS = ("One moment.", "Still looking.")


def live_call(
    opening: str | None = "Hello.", mode: Mode = Mode.CONVERSATION, **settings: object
) -> Playbook:
    """Answered, its first stream open."""
    play = Playbook.outbound(opening, mode, live=True, **settings)
    play.at(0.2, ev.DialAccepted(LEG)).at(1.0, ev.LineAnswered(LEG))
    return play.at(1.2, ev.StreamOpened(1, "MZ1"))


def played(play: Playbook, seconds: float) -> Playbook:
    assert isinstance(play.verb, Say)
    return play.at(seconds, ev.UtterancePlayed(play.verb.utterance))


def listening() -> Playbook:
    play = played(live_call(), 2.0)
    assert play.verb == Listen(1)
    return play


@pytest.mark.scenario("F1")
def test_every_early_fetch_is_told_to_connect_the_stream() -> None:
    play = Playbook.outbound("Hello.", live=True).at(0.2, ev.DialAccepted(LEG))
    for _ in ("queued", "ringing"):
        told = instruct(play.record, StepRef(play.record.script.number, 0))
        assert isinstance(told, Play)
        assert told.verb == ConnectStream(1)
    play.at(1.0, ev.LineAnswered(LEG))
    told = instruct(play.record, told.next)
    assert isinstance(told, Play)
    assert told.verb == ConnectStream(1)


def test_a_stream_opens_once_and_proves_the_answer() -> None:
    play = Playbook.outbound("Hello.", live=True).at(0.2, ev.DialAccepted(LEG))
    play.at(1.0, ev.StreamOpened(1, "MZ1"))
    assert play.state == "speaking"
    before = play.record
    play.at(1.1, ev.StreamOpened(1, "MZ2"), ev.StreamOpened(2, "MZ3"))
    assert play.record is before
    # The document's redirect is only fetched when the stream has ended.
    assert isinstance(instruct(play.record, StepRef(1, 0)), Stale)


def test_a_command_carrier_is_told_to_open_what_is_wanted() -> None:
    play = Playbook.outbound("Hello.", live=True).at(0.2, ev.DialAccepted(LEG))
    assert "stream:1" not in play.due(markup=False)
    play.at(1.0, ev.LineAnswered(LEG))
    assert play.due(markup=False) == ["stream:1"]
    play.at(1.1, ev.StreamOpened(1, "s"))
    assert play.due(markup=False) == []
    play.at(5.0, ev.StreamClosed(1, "socket lost"))
    assert play.due(markup=False) == ["stream:2"]


@pytest.mark.scenario("F22")
def test_a_stream_that_never_opens_leaves_the_carriers_own_voice() -> None:
    play = Playbook.outbound("Hello.", live=True).at(0.2, ev.DialAccepted(LEG))
    play.at(1.0, ev.LineAnswered(LEG)).at(7.1, ev.DeadlinePassed("stream"))
    assert play.record.path is VoicePathKind.CARRIER
    assert play.lined_up == ["Hello."]
    assert play.due(markup=False) == ["end-stream:1", "say:1:1"]
    told = instruct(play.record, None)
    assert isinstance(told, Play)
    assert isinstance(told.verb, Say)
    # Too late: the stream is not wanted any more.
    before = play.record
    assert play.at(7.2, ev.StreamOpened(1, "MZ1")).record is before


@pytest.mark.scenario("F51")
def test_a_lost_stream_ends_the_call_after_the_grace() -> None:
    play = listening().at(10.0, ev.StreamClosed(1, "socket lost"))
    assert play.record.stream == MediaStream(2, retries=1)
    play.at(10.0 + STREAM_GRACE_S - 0.1, ev.DeadlinePassed("stream"))
    assert play.record.end_reason is None
    play.at(10.0 + STREAM_GRACE_S, ev.DeadlinePassed("stream"))
    assert play.record.end_reason is EndReason.HANGUP_USER
    assert play.due() == ["hangup"]


@pytest.mark.scenario("F51")
def test_a_stream_that_comes_back_within_the_grace_keeps_the_call() -> None:
    play = listening().at(10.0, ev.StreamClosed(1, "socket lost"))
    play.at(10.5, ev.StreamOpened(2, "MZ2")).at(13.0, ev.DeadlinePassed("stream"))
    assert play.record.end_reason is None
    assert play.state == "listening"
    # The loss of the first one, told again, changes nothing.
    before = play.record
    assert play.at(14.0, ev.StreamClosed(1, "late")).record is before


def test_a_line_that_loses_its_streams_all_the_time_gets_the_carriers_voice() -> None:
    play = listening()
    for number in range(1, STREAMS_LIMIT):
        play.at(10.0 + number, ev.StreamClosed(number, "lost"))
        play.at(10.5 + number, ev.StreamOpened(number + 1, "again"))
    play.at(30.0, ev.StreamClosed(STREAMS_LIMIT, "lost"))
    assert play.record.path is VoicePathKind.CARRIER
    assert play.lined_up == [SAY_AGAIN]


@pytest.mark.scenario("F19")
def test_without_a_recogniser_the_carrier_hears_from_now_on() -> None:
    play = listening().at(5.0, ev.LiveAudioFailed("recogniser: 401"))
    assert play.record.path is VoicePathKind.CARRIER
    assert play.lined_up == [SAY_AGAIN]
    assert [f.why for f in play.of(PathChanged) if isinstance(f, PathChanged)] == [
        "recogniser: 401"
    ]


@pytest.mark.scenario("F7")
def test_a_greeting_that_no_voice_can_say_is_said_by_the_carrier() -> None:
    play = live_call("Hello.")
    play.at(1.3, ev.UtteranceRefused(1, "no audio"))
    assert play.record.path is VoicePathKind.LIVE
    assert isinstance(play.verb, Say)
    assert play.verb.attempt == 2
    play.at(1.4, ev.UtteranceRefused(1, "no audio"))
    assert play.record.path is VoicePathKind.CARRIER
    assert play.lined_up == ["Hello."]


@pytest.mark.scenario("F34")
def test_a_reply_is_spoken_sentence_by_sentence() -> None:
    play = listening().at(3.0, ev.Heard("How are you?"))
    play.at(3.3, ev.ReplySentence(1, "I am well."))
    assert play.lined_up == ["I am well."]
    play.at(3.6, ev.ReplySentence(1, "And you?"))
    assert play.lined_up == ["I am well.", "And you?"]
    played(play, 4.0)
    assert play.record.exchange is not None
    assert play.record.exchange.heard == "I am well."
    play.at(4.2, ev.ReplyFinished(1))
    assert "reply" not in play.record.deadlines
    played(play, 5.0)
    assert play.state == "listening"
    assert play.record.exchange.reply == "I am well. And you?"
    assert play.record.exchange is not None
    assert play.record.exchange.heard == "I am well. And you?"


def test_a_reply_that_is_heard_before_its_end_is_made_listens_on() -> None:
    play = listening().at(3.0, ev.Heard("Hi"))
    play.at(3.3, ev.ReplySentence(1, "Hello."))
    played(play, 4.0)
    assert play.verb is None
    play.at(4.5, ev.ReplyFinished(1))
    assert play.state == "listening"


@pytest.mark.scenario("F41")
def test_an_interruption_drops_what_was_lined_up_and_keeps_what_was_heard() -> None:
    play = listening().at(3.0, ev.Heard("Tell me a story"))
    play.at(3.3, ev.ReplySentence(1, "Once upon a time."), ev.ReplySentence(1, "There was a fox."))
    play.at(3.8, ev.UtteranceInterrupted(2, "Once upon"))
    assert play.lined_up == []
    assert [f.heard for f in play.of(Interrupted) if isinstance(f, Interrupted)] == ["Once upon"]
    # The agent is still at it; nobody hears that before it is known whether it was a word.
    play.at(4.0, ev.ReplySentence(1, "It was red."))
    assert play.lined_up == []
    play.at(4.5, ev.Heard("Stop, what is the time?"))
    assert play.record.cut is None
    assert play.due() == ["ask:2"]
    play.at(4.6, ev.ReplySentence(1, "Too late."))
    assert play.lined_up == []
    assert play.record.exchange is not None
    assert play.record.exchange.heard == "Once upon"


def test_an_interruption_by_a_noise_costs_nobody_a_word() -> None:
    play = listening().at(3.0, ev.Heard("Tell me a story"))
    play.at(3.3, ev.ReplySentence(1, "Once upon a time."), ev.ReplySentence(1, "There was a fox."))
    play.at(3.8, ev.UtteranceInterrupted(2, "Once upon"))
    play.at(4.0, ev.ReplySentence(1, "It was red."))
    play.at(4.8, ev.InterruptionVoid())
    assert play.lined_up == ["a time.", "There was a fox.", "It was red."]
    play.at(4.9, ev.ReplySentence(1, "The end."), ev.ReplyFinished(1))
    for seconds in (5.0, 6.0, 7.0, 8.0):
        played(play, seconds)
    assert play.state == "listening"
    assert play.record.exchange is not None
    assert play.record.exchange.heard == ("Once upon a time. There was a fox. It was red. The end.")


@pytest.mark.scenario("F32")
def test_a_farewell_that_a_noise_cut_ends_the_call_after_all() -> None:
    play = listening()
    play.at(3.0, ev.SpeakRequested("bye", "Good bye then."), ev.EndRequested())
    play.at(3.5, ev.UtteranceInterrupted(2, "Good bye"))
    assert play.record.ending is None
    play.at(4.6, ev.InterruptionVoid())
    assert play.lined_up == ["then."]
    played(play, 5.0)
    assert play.record.end_reason is EndReason.HANGUP_BOT


@pytest.mark.scenario("F42")
def test_words_that_follow_before_the_answer_make_one_longer_question() -> None:
    play = listening().at(3.0, ev.Heard("What is the weather")).at(3.4, ev.Heard("in Paris?"))
    assert play.record.reply is not None
    assert play.record.reply.text == "What is the weather in Paris?"
    play.at(3.5, ev.ReplySentence(1, "Where?"))
    assert play.lined_up == []


@pytest.mark.scenario("F106")
def test_a_slow_agent_is_covered_by_signs_of_life() -> None:
    play = Playbook.answered("Hello.", filler_ms=2500, fillers=FILLERS)
    script = play.record.script
    play.at(2.0, ev.StepReached(script.number, 1))
    play.at(3.0, ev.Heard("Look it up", script=play.record.script.number))
    play.at(5.5, ev.DeadlinePassed("filler"))
    assert play.lined_up == ["One moment."]
    script = play.record.script
    play.at(6.5, ev.StepReached(script.number, 1)).at(15.5, ev.DeadlinePassed("filler"))
    assert play.lined_up == ["Still looking."]
    play.at(15.6, ev.ReplyReady(1, "Found it."))
    assert play.lined_up == ["Still looking.", "Found it."]
    assert "filler" not in play.record.deadlines


def test_a_silent_caller_is_asked_twice_and_then_left_in_peace() -> None:
    play = listening()
    for count in (1, 2):
        play.at(20.0 * count, ev.CallerSilent(count))
        assert play.lined_up == [STILL_THERE]
        played(play, 20.0 * count + 2)
    play.at(60.0, ev.CallerSilent(3))
    assert play.lined_up == []


def test_keys_go_to_the_carrier_and_the_stream_comes_back() -> None:
    play = listening().at(5.0, ev.DigitsRequested("op", "12#"))
    assert play.verb == Digits("12#", "op")
    number = play.record.script.number
    assert play.due(markup=True, served=number - 1, asking=False) == [f"nudge:{number}"]
    told = instruct(play.record, None)
    assert isinstance(told, Play)
    assert isinstance(told.verb, Digits)
    play.at(5.2, ev.StreamClosed(1, "the document was replaced"))
    assert "stream" not in play.record.deadlines
    play.at(7.0, ev.StepReached(number, told.next.step))
    assert isinstance(play.verb, Listen)
    told = instruct(play.record, told.next)
    assert isinstance(told, Play)
    assert told.verb == ConnectStream(2)
    assert "stream" in play.record.deadlines
    play.at(7.5, ev.StreamOpened(2, "MZ2"))
    assert play.state == "listening"


def test_keys_after_words_wait_for_the_words() -> None:
    play = live_call("Hello.").at(1.3, ev.DigitsRequested("op", "1"))
    assert play.lined_up == ["Hello."]
    number = play.record.script.number
    assert play.due(markup=True, served=number, asking=False) == []
    played(play, 2.0)
    assert play.record.script.number == number + 1
    assert play.due(markup=True, served=number, asking=False) == [f"nudge:{number + 1}"]


@pytest.mark.scenario("F54")
def test_after_a_restart_the_next_stream_is_wanted() -> None:
    play = listening().at(10.0, ev.Restored())
    assert play.record.stream == MediaStream(2, retries=1)
    assert play.record.deadlines["stream"] > play.record.answered_at + STREAM_GRACE_S  # pyright: ignore[reportOptionalOperand]
    play.at(11.0, ev.StreamOpened(2, "MZ2"))
    assert play.state == "listening"


@pytest.mark.scenario("F54")
def test_a_stream_that_failed_because_we_were_away_is_tried_once_more() -> None:
    play = listening().at(10.0, ev.Restored())
    due_at = play.record.deadlines["stream"]
    play.at(10.5, ev.StreamFailed("connection refused", 2))
    assert play.due(markup=False) == ["stream:3"]
    assert play.record.deadlines["stream"] == due_at
    # The same news again is of a stream that is not wanted any more.
    play.at(10.6, ev.StreamFailed("connection refused", 2))
    assert play.due(markup=False) == ["stream:3"]
    play.at(11.0, ev.StreamFailed("connection refused", 3))
    assert play.record.path is VoicePathKind.CARRIER
    assert play.lined_up == [SAY_AGAIN]


@pytest.mark.scenario("F54")
def test_a_line_of_which_we_know_that_its_streams_fail_is_not_given_up() -> None:
    play = listening().at(10.0, ev.StreamClosed(1, "lost"))
    play.at(11.0, ev.StreamFailed("no route", 2))
    play.at(10.0 + STREAM_GRACE_S, ev.DeadlinePassed("stream"))
    assert play.record.end_reason is None
    assert play.record.path is VoicePathKind.CARRIER


@pytest.mark.scenario("F54")
def test_what_was_said_of_a_stream_of_the_last_process_is_no_news_for_the_next() -> None:
    play = listening().at(10.0, ev.Restored()).at(12.0, ev.Restored())
    assert play.record.stream == MediaStream(3, retries=1)
    before = play.record
    assert play.at(12.5, ev.StreamFailed("connection refused", 2)).record is before


@pytest.mark.scenario("F54")
def test_a_first_stream_that_failed_because_we_were_away_is_tried_once_more() -> None:
    play = Playbook.outbound("Hello.", live=True).at(0.2, ev.DialAccepted(LEG))
    play.at(1.0, ev.LineAnswered(LEG)).at(2.0, ev.Restored())
    assert play.due(markup=False) == ["stream:1"]
    play.at(2.1, ev.StreamFailed("connection refused", 1))
    assert play.due(markup=False) == ["stream:2"]
    play.at(3.0, ev.StreamOpened(2, "s"))
    assert play.lined_up == ["Hello."]


@pytest.mark.scenario("F53")
def test_a_live_conversation_outlives_the_reaper() -> None:
    play = listening()
    assert "reaper" not in play.record.deadlines
    assert play.record.next_due == play.record.deadlines["duration"]


def test_the_stages_of_a_turn_are_kept() -> None:
    play = listening().at(3.0, ev.TurnTimed(1, TurnTimes(final_ms=300, first_frame_ms=740)))
    (fact,) = play.of(TurnMeasured)
    assert isinstance(fact, TurnMeasured)
    assert fact.times.first_frame_ms == 740


def test_a_recording_is_known_until_the_call_is_over() -> None:
    play = listening()
    for _ in range(2):
        play.at(3.0, ev.RecordingBegan("call.wav"))
    play.at(4.0, ev.RecordingBegan("call-2.wav"))
    for detail in ("the disk is full", "too slow"):
        play.at(5.0, ev.RecordingFailed(detail))
    play.at(6.0, ev.LineEnded(EndReason.HANGUP_USER))
    play.at(7.0, ev.RecordingBegan("call-3.wav"))
    play.at(7.0, ev.RecordingFailed("too late"))
    assert play.record.recordings == ("call.wav", "call-2.wav")
    assert play.of(Recorded) == [Recorded("call.wav"), Recorded("call-2.wav")]
    assert play.of(RecordingLost) == [RecordingLost("the disk is full")]
    metadata = snapshot(play.record, ())["metadata"]
    assert metadata["recordings"] == ["call.wav", "call-2.wav"]
    assert metadata["recordingProblem"] == "the disk is full"
    assert not {"recordings", "recordingProblem"} & set(
        snapshot(listening().record, ())["metadata"]
    )


def test_a_notice_is_live_as_well_and_hangs_up_after_its_end() -> None:
    play = live_call("A message.", Mode.NOTIFY, notify_hangup_delay_ms=0)
    played(play, 4.0)
    play.at(4.0, ev.DeadlinePassed("wait"))
    assert play.record.end_reason is EndReason.COMPLETED
    assert [f.text for f in play.of(Said) if isinstance(f, Said)] == ["A message."]


def test_records_of_before_live_audio_are_read() -> None:
    old = msgspec.json.encode(Playbook.answered("Hello.").record)
    fields = msgspec.json.decode(old)
    for name in ("stream", "cut"):
        del fields[name]
    record = msgspec.convert(fields, type(Playbook.answered("Hello.").record))
    assert not record.speaks_live


@pytest.mark.scenario("F40")
def test_the_transcript_is_in_the_order_in_which_things_were_begun() -> None:
    play = live_call("Hello, this is a long greeting.").at(2.0, ev.Heard("Hello?"))
    played(play, 4.0)

    def at(fact: Fact) -> float:
        return T0 + (2.0 if isinstance(fact, TurnHeard) else 4.0 if isinstance(fact, Said) else 1.0)

    stored = [StoredFact(seq, at(fact), fact) for seq, fact in enumerate(play.facts)]
    spoken = [(entry["speaker"], entry["text"]) for entry in transcript(stored)]
    assert spoken == [("bot", "Hello, this is a long greeting."), ("user", "Hello?")]
