"""`explain` names the first milestone that is missing."""

from __future__ import annotations

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.explain import explain
from openclaw_voice_call.call.types import EndReason, Mode
from tests.voice_call.call.playbook import LEG, Playbook


def verdict(play: Playbook) -> tuple[str, str] | None:
    found = explain(play.record, play.facts)
    return None if found is None else (found.milestone, found.remedy)


def fetched(play: Playbook, seconds: float) -> Playbook:
    return play.at(seconds, ev.StepReached(1, 0))


def said(play: Playbook, seconds: float) -> Playbook:
    script = play.record.script
    return play.at(seconds, ev.StepReached(script.number, script.position + 1))


def test_a_call_that_went_well_has_no_verdict() -> None:
    play = said(fetched(Playbook.answered("Note.", Mode.NOTIFY), 1.0), 3.0)
    play.at(7.0, ev.DeadlinePassed("wait"), ev.HangUpConfirmed())
    assert verdict(play) is None


@pytest.mark.parametrize(
    ("play", "milestone", "remedy"),
    [
        (
            Playbook.outbound().at(1.0, ev.DialRefused("21211")),
            "placed",
            "credentials",
        ),
        (
            Playbook.outbound().at(0.2, ev.DialAccepted(LEG)).at(40.0, ev.DeadlinePassed("ring")),
            "webhook verified",
            "publicUrl",
        ),
        (
            Playbook.outbound()
            .at(0.2, ev.DialAccepted(LEG), ev.LineRinging(LEG))
            .at(40.0, ev.DeadlinePassed("ring")),
            "answered",
            "ringTimeoutMs",
        ),
        (
            Playbook.answered().at(60.0, ev.DeadlinePassed("say")),
            "instruction sent",
            "publicUrl",
        ),
        (
            fetched(Playbook.answered(), 1.0).at(60.0, ev.DeadlinePassed("say")),
            "played",
            "carrier's own log",
        ),
        (
            said(fetched(Playbook.answered(), 1.0), 3.0).at(9.0, ev.LineEnded(EndReason.COMPLETED)),
            "heard",
            "recognition",
        ),
        (
            said(fetched(Playbook.answered(), 1.0), 3.0).at(
                4.0, ev.Heard("Hello?"), ev.ReplyFailed(1, "model_refused")
            ),
            "reply given",
            "quota",
        ),
        (
            said(fetched(Playbook.answered(), 1.0), 3.0).at(
                400.0, ev.Heard("Hello?"), ev.DeadlinePassed("duration")
            ),
            "ended",
            "maxDurationSeconds",
        ),
    ],
)
def test_the_first_missing_milestone_is_named(play: Playbook, milestone: str, remedy: str) -> None:
    found = verdict(play)
    assert found is not None
    assert found[0] == milestone
    assert remedy in found[1]
