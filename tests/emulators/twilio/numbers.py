"""The account and its numbers, as Twilio's console and REST API show them."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Literal

from tests.emulators.twilio.calls import API_VERSION, Form
from tests.emulators.twilio.orders import ApiError

UNSET_BY_EMPTY = frozenset({"VoiceApplicationSid", "TrunkSid"})
"""Fields of a number that an empty value takes away, although the description has a pattern."""
_AT_MOST = 1000


@dataclass(frozen=True)
class Number:
    """A number of the account, as configured in Twilio's console."""

    voice_url: str = ""
    voice_method: str = "POST"
    fallback_url: str = ""
    status_callback: str = ""
    """Told only when an inbound call ends."""
    status_callback_method: str = "POST"
    application_sid: str = ""
    trunk_sid: str = ""
    receive_mode: str = "voice"
    voice: bool = True
    """Whether it carries calls at all."""


@dataclass(frozen=True)
class AccountState:
    """What the account resource says."""

    status: Literal["active", "suspended", "closed"] = "active"
    type: Literal["Full", "Trial"] = "Full"


class NumberBook:
    """The numbers by E.164, which tests may change too, read and updated over REST."""

    def __init__(self, account_sid: str, numbers: MutableMapping[str, Number]) -> None:
        self._account_sid = account_sid
        self._numbers = numbers

    def listed(self, fields: Form) -> dict[str, object]:
        """One page holds all: accounts of tests are small."""
        wanted = dict(fields).get("PhoneNumber", "")
        path = f"/{API_VERSION}/Accounts/{self._account_sid}/IncomingPhoneNumbers.json"
        # Twilio finds every number that contains what is asked for.
        found = [
            self.as_json(e164, number)
            for e164, number in self._numbers.items()
            if wanted.removeprefix("+") in e164
        ]
        return {
            "incoming_phone_numbers": found[:_AT_MOST],
            "end": len(found) - 1,
            "first_page_uri": path,
            "next_page_uri": None,
            "page": 0,
            "page_size": 50,
            "previous_page_uri": None,
            "start": 0,
            "uri": path,
        }

    def update(self, sid: str, fields: Form) -> dict[str, object]:
        """Change a number. Raises ApiError when there is none."""
        e164 = next((each for each in self._numbers if number_sid(each) == sid), None)
        if e164 is None:
            raise ApiError(404, 20404, f"The requested resource {sid} was not found")
        form = dict(fields)
        changed = _changed(self._numbers[e164], form)
        # "Setting a TrunkSid deletes your VoiceUrl and VoiceApplicationSid, and vice versa."
        if form.get("TrunkSid"):
            changed = replace(changed, voice_url="", application_sid="")
        elif form.get("VoiceUrl") or form.get("VoiceApplicationSid"):
            changed = replace(changed, trunk_sid="")
        self._numbers[e164] = changed
        return self.as_json(e164, changed)

    def as_json(self, e164: str, number: Number) -> dict[str, object]:
        sid = number_sid(e164)
        account = f"/{API_VERSION}/Accounts/{self._account_sid}"
        return {
            "account_sid": self._account_sid,
            "address_requirements": "none",
            "address_sid": None,
            "api_version": API_VERSION,
            "beta": False,
            "bundle_sid": None,
            "capabilities": {"voice": number.voice, "sms": True, "mms": False, "fax": True},
            "date_created": "Thu, 30 Jul 2015 23:19:04 +0000",
            "date_updated": "Thu, 30 Jul 2015 23:19:04 +0000",
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "emergency_status": "Inactive",
            "friendly_name": e164,
            "identity_sid": None,
            "origin": "twilio",
            "phone_number": e164,
            "sid": sid,
            "sms_application_sid": None,
            "sms_fallback_method": "POST",
            "sms_fallback_url": None,
            "sms_method": "POST",
            "sms_url": None,
            "status": "in-use",
            "status_callback": number.status_callback,
            "status_callback_method": number.status_callback_method,
            "trunk_sid": number.trunk_sid or None,
            "type": "local",
            "uri": f"{account}/IncomingPhoneNumbers/{sid}.json",
            "voice_application_sid": number.application_sid or None,
            "voice_caller_id_lookup": False,
            "voice_fallback_method": "POST",
            "voice_fallback_url": number.fallback_url,
            "voice_method": number.voice_method,
            "voice_receive_mode": number.receive_mode,
            "voice_url": number.voice_url,
        }


def number_sid(e164: str) -> str:
    """The SID of a number, the same in every run."""
    return f"PN{md5(e164.encode(), usedforsecurity=False).hexdigest()}"


def account_json(account_sid: str, state: AccountState) -> dict[str, object]:
    return {
        "auth_token": None,
        "date_created": "Thu, 30 Jul 2015 20:00:00 +0000",
        "date_updated": "Thu, 30 Jul 2015 20:00:00 +0000",
        "friendly_name": "test account",
        "owner_account_sid": account_sid,
        "sid": account_sid,
        "status": state.status,
        "subresource_uris": {},
        "type": state.type,
        "uri": f"/{API_VERSION}/Accounts/{account_sid}.json",
    }


def _changed(number: Number, form: Mapping[str, str]) -> Number:
    names = {
        "VoiceUrl": "voice_url",
        "VoiceMethod": "voice_method",
        "VoiceFallbackUrl": "fallback_url",
        "StatusCallback": "status_callback",
        "StatusCallbackMethod": "status_callback_method",
        "VoiceApplicationSid": "application_sid",
        "TrunkSid": "trunk_sid",
        "VoiceReceiveMode": "receive_mode",
    }
    unknown = form.keys() - names.keys()
    if unknown:
        raise ApiError(400, 20001, f"not emulated: {', '.join(sorted(unknown))}")
    values = {names[field]: value for field, value in form.items()}
    return replace(number, **values)  # pyright: ignore[reportArgumentType]
