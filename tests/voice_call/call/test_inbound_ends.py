"""How a call that came in ends: by its caller, unless we had decided so before."""

from __future__ import annotations

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import EndReason
from tests.voice_call.call.playbook import Playbook


@pytest.mark.parametrize(
    ("reason", "answered"),
    [
        (EndReason.NO_ANSWER, False),
        (EndReason.NO_ANSWER, True),
        (EndReason.HANGUP_BOT, True),
        (EndReason.COMPLETED, True),
    ],
)
def test_an_inbound_call_that_ends_by_itself_was_given_up(
    reason: EndReason, answered: bool
) -> None:
    play = Playbook.inbound(answered=answered).at(2.0, ev.LineEnded(reason))
    assert play.state == "hangup-user"


def test_an_inbound_call_that_we_end_ends_for_our_reason() -> None:
    play = Playbook.inbound().at(2.0, ev.EndRequested(at_once=True))
    assert play.at(2.1, ev.LineEnded(EndReason.COMPLETED)).state == "hangup-bot"


def test_what_is_worse_than_leaving_keeps_its_name() -> None:
    play = Playbook.inbound().at(2.0, ev.LineEnded(EndReason.FAILED, "SIP 500"))
    assert play.state == "failed"
