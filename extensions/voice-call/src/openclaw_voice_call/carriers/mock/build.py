"""The mock carrier and its network from the configuration."""

from __future__ import annotations

import secrets

from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.carriers.mock.carrier import MockCarrier
from openclaw_voice_call.carriers.mock.network import PhoneNetwork
from openclaw_voice_call.carriers.mock.people import Person, PhoneBook, Pickup
from openclaw_voice_call.carriers.mock.voice import Voice, espeak, espeak_program
from openclaw_voice_call.carriers.setup import CarrierSetup
from openclaw_voice_call.config.carriers import MockPerson
from openclaw_voice_call.config.model import VoiceCallConfig


def build(setup: CarrierSetup) -> MockCarrier:
    mock = setup.config.mock
    # The network lives in this process only, so its key need not outlive it.
    secret = secrets.token_bytes(32)
    network = PhoneNetwork(
        book=PhoneBook(tuple(_person(each) for each in mock.script)),
        own_number=setup.credentials.from_number,
        speed=mock.speed,
        public_url=setup.links.base_url,
        deliver_to=setup.local_webhook_url,
        secret=secret,
        session=setup.session,
        clock=setup.clock,
        tasks=setup.tasks,
        voice=_voice(setup.config),
    )
    return MockCarrier(network, secret, setup.links)


def _voice(config: VoiceCallConfig) -> Voice:
    """What the people sound like; `auto` is what the recogniser understands."""
    wanted = config.mock.voice
    if wanted == "auto":
        wanted = "tones" if config.streaming.recogniser == "scripted" else "espeak"
    program = espeak_program() if wanted == "espeak" else None
    return tone_code.encode if program is None else espeak(program)


def _person(section: MockPerson) -> Person:
    return Person(
        number=section.number,
        pickup=Pickup(section.answer),
        answer_after_ms=section.answer_after_ms,
        says=section.says,
        keys=section.keys,
        hang_up_after=section.hang_up_after,
        hang_up_when_hearing=section.hang_up_when_hearing,
        calls_back_after_ms=section.calls_back_after_ms,
        calls_back_from=section.calls_back_from,
        replies_after_ms=section.replies_after_ms,
        interrupts_after_ms=section.interrupts_after_ms,
    )
