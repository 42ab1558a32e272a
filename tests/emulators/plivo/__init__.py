"""A Plivo for tests: REST, signed webhooks, XML documents, and people on the phone.

    async with PlivoEmulator.start(Settings(numbers={...}, people={...})) as plivo:
        ...  # the gateway under test has `plivo.baseUrl` = plivo.base_url
        await plivo.wait_idle()
        assert not plivo.violations

It knows Plivo's protocol and nothing of the gateway. Where Plivo's behaviour is not documented the
choice is stated in a comment.
"""

from tests.emulators.people import HangsUp, Heard, Person, Reply
from tests.emulators.plivo.account import Number
from tests.emulators.plivo.calls import Call
from tests.emulators.plivo.emulator import (
    AUTH_ID,
    AUTH_TOKEN,
    PlivoEmulator,
    Settings,
)
from tests.emulators.plivo.exchange import Alert, Event
from tests.emulators.plivo.rest import RestRequest
from tests.emulators.plivo.webhooks import Delivery, Webhook

__all__ = [
    "AUTH_ID",
    "AUTH_TOKEN",
    "Alert",
    "Call",
    "Delivery",
    "Event",
    "HangsUp",
    "Heard",
    "Number",
    "Person",
    "PlivoEmulator",
    "Reply",
    "RestRequest",
    "Settings",
    "Webhook",
]
