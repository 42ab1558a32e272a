"""A Twilio for tests: REST, signed webhooks, TwiML, and people on the phone.

    async with TwilioEmulator.start(Settings(numbers={...}, people={...})) as twilio:
        ...  # the gateway under test has `twilio.baseUrl` = twilio.base_url
        await twilio.wait_idle()
        assert not twilio.violations

It knows Twilio's protocol and nothing of the gateway. Where Twilio's behaviour is not documented
the choice is stated in a comment.
"""

from tests.emulators.people import HangsUp, Heard, Person, Reply
from tests.emulators.twilio.calls import Call
from tests.emulators.twilio.emulator import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    Settings,
    TwilioEmulator,
)
from tests.emulators.twilio.exchange import Alert, Event
from tests.emulators.twilio.line import APOLOGY
from tests.emulators.twilio.numbers import AccountState, Number
from tests.emulators.twilio.rest import RestRequest
from tests.emulators.twilio.webhooks import Delivery, Webhook

__all__ = [
    "ACCOUNT_SID",
    "APOLOGY",
    "AUTH_TOKEN",
    "AccountState",
    "Alert",
    "Call",
    "Delivery",
    "Event",
    "HangsUp",
    "Heard",
    "Number",
    "Person",
    "Reply",
    "RestRequest",
    "Settings",
    "TwilioEmulator",
    "Webhook",
]
