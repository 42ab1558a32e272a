"""What makes the plugin the customer of an emulated phone company."""

from __future__ import annotations

from typing import TypeAlias

from tests.emulators.plivo import PlivoEmulator
from tests.emulators.telnyx import PUBLIC_KEY, TelnyxEmulator
from tests.emulators.twilio import TwilioEmulator

Emulator: TypeAlias = TwilioEmulator | TelnyxEmulator | PlivoEmulator


def customer_of(company: Emulator) -> dict[str, object]:
    """`provider` and the account, as they stand in the plugin's section."""
    match company:
        case TwilioEmulator(settings=account):
            return {
                "provider": "twilio",
                "twilio": {
                    "accountSid": account.account_sid,
                    "authToken": account.auth_token,
                    "baseUrl": company.base_url,
                },
            }
        case TelnyxEmulator(settings=account):
            return {
                "provider": "telnyx",
                "telnyx": {
                    "apiKey": account.api_key,
                    "connectionId": account.connection_id,
                    "publicKey": PUBLIC_KEY,
                    "baseUrl": company.base_url,
                },
            }
        case PlivoEmulator(settings=account):
            return {
                "provider": "plivo",
                "plivo": {
                    "authId": account.auth_id,
                    "authToken": account.auth_token,
                    "baseUrl": company.base_url,
                },
            }
