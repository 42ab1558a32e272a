"""A Telnyx for tests: Call Control v2 over REST, signed webhooks, and people on the phone.

    async with TelnyxEmulator.start(Settings(numbers=..., people={...})) as telnyx:
        ...  # the gateway under test has `telnyx.baseUrl` = telnyx.base_url
        await telnyx.wait_idle()
        assert not telnyx.violations

It knows Telnyx's protocol and nothing of the gateway. Where Telnyx's behaviour is not documented
the choice is stated in a comment.
"""

from tests.emulators.people import HangsUp, Heard, Person, Reply
from tests.emulators.telnyx.account import Application
from tests.emulators.telnyx.calls import Call, Order
from tests.emulators.telnyx.emulator import (
    API_KEY,
    CONNECTION_ID,
    PRIVATE_KEY,
    PUBLIC_KEY,
    Settings,
    TelnyxEmulator,
)
from tests.emulators.telnyx.exchange import Event
from tests.emulators.telnyx.rest import RestRequest
from tests.emulators.telnyx.webhooks import Delivery, Webhook

__all__ = [
    "API_KEY",
    "CONNECTION_ID",
    "PRIVATE_KEY",
    "PUBLIC_KEY",
    "Application",
    "Call",
    "Delivery",
    "Event",
    "HangsUp",
    "Heard",
    "Order",
    "Person",
    "Reply",
    "RestRequest",
    "Settings",
    "TelnyxEmulator",
    "Webhook",
]
