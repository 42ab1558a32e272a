"""The carriers' sections: credentials, regions, API hosts, and the mock carrier's people."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from openclaw_voice_call.config.base import (
    HttpUrl,
    Items,
    Maybe,
    NonEmpty,
    NotNegative,
    Secret,
    Section,
    Text,
)

TwilioRegion: TypeAlias = Literal["us1", "ie1", "au1"]


class TwilioConfig(Section):
    """A Twilio account."""

    account_sid: Text = Field(default=None, repr=False)
    """The account's SID, `AC` and 32 hexadecimal digits."""
    auth_token: Secret = None
    """The account's auth token. It also signs webhooks, so API keys cannot replace it."""
    region: Maybe[TwilioRegion] = None
    """Where Twilio processes the calls; each region has an auth token of its own. Unset: us1."""
    base_url: Maybe[HttpUrl] = None
    """Where the REST API is. Unset: Twilio's own host, https://api.twilio.com, with the region and
    edge in its name; another host is used as it stands."""


class TelnyxConfig(Section):
    """A Telnyx account with a Call Control application."""

    api_key: Secret = None
    """The API v2 key."""
    connection_id: Text = None
    """The id of the Call Control application that places the calls."""
    public_key: Text = None
    """The account's public key, base64 or PEM: webhooks are verified with it. Not a secret."""
    base_url: Maybe[HttpUrl] = None
    """Where the REST API is. Unset: Telnyx's own host."""
    stream_target_legs: Literal["both", "self", "opposite"] = "both"
    """Which legs of a call hear our live audio: for calls that hear nothing of it."""


class PlivoConfig(Section):
    """A Plivo account."""

    auth_id: Text = Field(default=None, repr=False)
    """The account's auth id; it begins with `MA` or `SA`."""
    auth_token: Secret = None
    """The account's auth token. It also signs webhooks."""
    base_url: Maybe[HttpUrl] = None
    """Where the REST API is. Unset: Plivo's own host."""


class MockPerson(Section):
    """Somebody whom the mock carrier can reach, and how they behave."""

    number: NonEmpty
    """The number that reaches this person."""
    answer: Literal["answers", "busy", "no-answer", "declines", "fails", "voicemail"] = "answers"
    """What happens when their phone rings."""
    answer_after_ms: NotNegative = 300
    """How long it rings before that, in ms."""
    says: Items[str] = ()
    """What they say each time they are listened to; an empty string, and the end, is silence."""
    keys: Items[Annotated[str, Field(pattern=r"^[0-9*#A-D]*$")]] = ()
    """The keys that they press each time they are listened to, instead of speaking."""
    hang_up_after: NotNegative | None = None
    """They hang up having spoken this many times and heard the answer; 0: after our first
    sentence."""
    hang_up_when_hearing: Text = None
    """They hang up when something said to them contains this, in any case of letters."""
    calls_back_after_ms: NotNegative | None = None
    """They call us this long after a call with them has ended, in ms."""
    calls_back_from: str | None = None
    """The number that we are shown then; it may be empty or a word. Unset: their own."""
    replies_after_ms: NotNegative = 600
    """With live audio: they answer when they have heard nothing for this long, in ms."""
    interrupts_after_ms: Items[NotNegative | None] = ()
    """With live audio, one entry for each of `says`: they begin it when we have spoken for this
    long, in ms; null, and the end, lets us finish."""


class MockConfig(Section):
    """The mock carrier: calls without a network, with people who follow a script."""

    script: Items[MockPerson] = ()
    """The people. Numbers that are not listed reach somebody friendly, and the mock carrier's magic
    numbers somebody busy, silent and so on."""
    speed: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """How much faster than a real call everything happens; live audio always takes its time."""
    voice: Literal["auto", "tones", "espeak"] = "auto"
    """How the people sound with live audio: as tones that the recogniser `scripted` understands, or
    as the program espeak speaks, if it is installed. `auto`: tones with that recogniser."""
