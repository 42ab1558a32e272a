"""Where accounts and keys come from, and what is said when they are not there."""

from collections.abc import Mapping

import pytest

from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import (
    MOCK_FROM_NUMBER,
    Credentials,
    PlivoCredentials,
    TelnyxCredentials,
    TwilioCredentials,
    missing_credentials,
    resolve_credentials,
)
from openclaw_voice_call.errors import NotConfigured

BASE = "plugins.entries.voice-call.config"
TWILIO = {"provider": "twilio", "fromNumber": "+15550001111"}


def missing(raw: Mapping[str, object], **environ: str) -> list[str]:
    parsed = parse_config(raw, environ)
    assert parsed.config is not None
    return [str(each) for each in missing_credentials(parsed.config, environ)]


def resolved(raw: Mapping[str, object], **environ: str) -> Credentials:
    parsed = parse_config(raw, environ)
    assert parsed.config is not None
    return resolve_credentials(parsed.config, environ)


@pytest.mark.parametrize(
    ("provider", "lines"),
    [
        (
            "twilio",
            [
                "twilio.accountSid is required (or set TWILIO_ACCOUNT_SID env)",
                "twilio.authToken is required (or set TWILIO_AUTH_TOKEN env)",
                "fromNumber is required (or set TWILIO_FROM_NUMBER env)",
            ],
        ),
        (
            "telnyx",
            [
                "telnyx.apiKey is required (or set TELNYX_API_KEY env)",
                "telnyx.connectionId is required (or set TELNYX_CONNECTION_ID env)",
                "telnyx.publicKey is required (or set TELNYX_PUBLIC_KEY env)",
                "fromNumber is required",
            ],
        ),
        (
            "plivo",
            [
                "plivo.authId is required (or set PLIVO_AUTH_ID env)",
                "plivo.authToken is required (or set PLIVO_AUTH_TOKEN env)",
                "fromNumber is required",
            ],
        ),
        ("", ["provider is required"]),
        ("mock", []),
    ],
)
def test_each_missing_key_is_named_with_its_variable(provider: str, lines: list[str]) -> None:
    assert missing({"provider": provider}) == [f"{BASE}.{line}" for line in lines]


def test_resolving_says_all_that_is_missing() -> None:
    with pytest.raises(NotConfigured) as caught:
        resolved(TWILIO)
    assert str(caught.value) == (
        f"{BASE}.twilio.accountSid is required (or set TWILIO_ACCOUNT_SID env); "
        f"{BASE}.twilio.authToken is required (or set TWILIO_AUTH_TOKEN env)"
    )


def test_the_environment_stands_in_for_the_file() -> None:
    found = resolved(
        {"provider": "twilio"},
        TWILIO_ACCOUNT_SID="AC1",
        TWILIO_AUTH_TOKEN="from-env",
        TWILIO_FROM_NUMBER="+15550001111",
        TWILIO_REGION="ie1",
        TWILIO_EDGE="dublin",
    )
    assert isinstance(found.carrier, TwilioCredentials)
    assert found.from_number == "+15550001111"
    assert found.carrier.account_sid == "AC1"
    assert found.carrier.auth_token.get_secret_value() == "from-env"
    assert (found.carrier.region, found.carrier.edge) == ("ie1", "dublin")


def test_the_file_wins() -> None:
    found = resolved(
        {**TWILIO, "twilio": {"accountSid": "AC2", "authToken": "from-file"}},
        TWILIO_ACCOUNT_SID="AC1",
        TWILIO_AUTH_TOKEN="from-env",
        TWILIO_FROM_NUMBER="+15550009999",
    )
    assert isinstance(found.carrier, TwilioCredentials)
    assert found.carrier.account_sid == "AC2"
    assert found.carrier.auth_token.get_secret_value() == "from-file"
    assert found.from_number == "+15550001111"


def test_a_reference_to_nothing_is_missing_even_where_a_fallback_exists() -> None:
    raw = {**TWILIO, "twilio": {"accountSid": "AC1", "authToken": "${OTHER_TOKEN}"}}
    (line,) = missing(raw, TWILIO_AUTH_TOKEN="of-another-account")
    assert line == (
        f"{BASE}.twilio.authToken is required: OTHER_TOKEN is not set "
        "(or set TWILIO_AUTH_TOKEN env)"
    )


def test_a_reference_to_the_fallback_itself_is_plainly_missing() -> None:
    raw = {**TWILIO, "twilio": {"accountSid": "AC1", "authToken": "${TWILIO_AUTH_TOKEN}"}}
    assert missing(raw) == [f"{BASE}.twilio.authToken is required (or set TWILIO_AUTH_TOKEN env)"]


def test_values_of_the_environment_are_checked_too() -> None:
    lines = missing(
        {"provider": "twilio"},
        TWILIO_ACCOUNT_SID="AC1",
        TWILIO_AUTH_TOKEN="x",
        TWILIO_FROM_NUMBER="5550001111",
        TWILIO_REGION="mars",
    )
    assert lines == [
        f'{BASE}.fromNumber from TWILIO_FROM_NUMBER must match "^\\+[1-9]\\d{{1,14}}$"',
        f"{BASE}.twilio.region from TWILIO_REGION must be one of us1, ie1, au1",
    ]


def test_another_carriers_number_is_not_taken() -> None:
    assert missing(
        {"provider": "plivo", "plivo": {"authId": "MA1", "authToken": "x"}},
        TWILIO_FROM_NUMBER="+15550001111",
    ) == [f"{BASE}.fromNumber is required"]


@pytest.mark.scenario("A4")
def test_telnyx_needs_its_public_key_unless_nothing_is_verified() -> None:
    telnyx = {
        "provider": "telnyx",
        "fromNumber": "+15550001111",
        "telnyx": {"apiKey": "k", "connectionId": "c"},
    }
    for policy in ("open", "disabled"):
        assert missing({**telnyx, "inboundPolicy": policy}) == [
            f"{BASE}.telnyx.publicKey is required (or set TELNYX_PUBLIC_KEY env)"
        ]
    found = resolved({**telnyx, "skipSignatureVerification": True})
    assert isinstance(found.carrier, TelnyxCredentials)
    assert found.carrier.public_key is None


def test_the_mock_carrier_needs_nothing() -> None:
    found = resolved({"provider": "mock"})
    assert found.carrier is None
    assert found.from_number == MOCK_FROM_NUMBER
    assert resolved({**TWILIO, "provider": "mock"}).from_number == "+15550001111"


def test_vendors_keys_have_their_usual_names() -> None:
    raw = {"provider": "mock", "tts": {"openai": {"apiKey": "of-file"}}}
    environ = {
        "OPENAI_API_KEY": "of-env",
        "XI_API_KEY": "old-name",
        "DEEPGRAM_API_KEY": "deep",
        "NGROK_AUTHTOKEN": "tunnel",
        "NGROK_DOMAIN": "voice.example.com",
    }
    vendors = resolved(raw, **environ).vendors
    secrets = (vendors.openai_stt, vendors.openai_tts, vendors.elevenlabs, vendors.deepgram)
    assert [each.get_secret_value() for each in secrets if each is not None] == [
        *("of-env", "of-file", "old-name", "deep")
    ]
    assert vendors.ngrok_token is not None
    assert vendors.ngrok_domain == "voice.example.com"
    newer = resolved(raw, XI_API_KEY="old-name", ELEVENLABS_API_KEY="new-name").vendors
    for key in (newer.elevenlabs, newer.elevenlabs_stt):
        assert key is not None
        assert key.get_secret_value() == "new-name"


def test_a_recognisers_newer_key_wins_over_the_older_and_both_over_the_environment() -> None:
    def key(streaming: Mapping[str, object]) -> str | None:
        raw = {"provider": "mock", "streaming": streaming}
        found = resolved(raw, OPENAI_API_KEY="of-env").vendors.openai_stt
        return None if found is None else found.get_secret_value()

    newer = {"openai": {"apiKey": "newer"}}
    assert key({}) == "of-env"
    assert key({"openaiApiKey": "older"}) == "older"
    assert key({"openaiApiKey": "older", "providers": newer}) == "newer"
    assert key({"providers": {"openai": {"apiKey": ""}}, "openaiApiKey": "older"}) == "older"
    unresolved = {"openai": {"apiKey": "${MY_KEY}"}}
    assert key({"openaiApiKey": "older", "providers": unresolved}) is None


@pytest.mark.scenario("F81")
def test_no_secret_is_shown() -> None:
    environ = {"OPENAI_API_KEY": "s3cr3t", "ELEVENLABS_API_KEY": "s3cr3t"}
    account = {"authToken": "s3cr3t", "accountSid": "AC-s3cr3t"}
    found = resolved({**TWILIO, "twilio": account}, **environ)
    assert "s3cr3t" not in f"{found!r} {found}"
    plivo = {"authId": "MA-s3cr3t", "authToken": "s3cr3t"}
    other = resolved({**TWILIO, "provider": "plivo", "plivo": plivo})
    assert isinstance(other.carrier, PlivoCredentials)
    assert "s3cr3t" not in f"{other!r} {other}"


def test_validation_says_what_is_missing_as_a_warning() -> None:
    parsed = parse_config(TWILIO, {})
    assert parsed.config is not None
    first, _ = missing_credentials(parsed.config, {})
    problem = first.problem()
    assert problem.severity == "warning"
    assert problem.render() == (
        f"{BASE}.twilio.accountSid: is required; or set TWILIO_ACCOUNT_SID env"
    )
