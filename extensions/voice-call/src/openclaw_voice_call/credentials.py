"""Accounts and keys: from the section, else from the environment under their usual names. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, get_args

from pydantic import SecretStr
from pydantic.alias_generators import to_snake

from openclaw.sdk import ConfigProblem
from openclaw_voice_call.config.base import BASE_PATH, E164, unresolved_reference
from openclaw_voice_call.config.carriers import TwilioRegion
from openclaw_voice_call.config.fallbacks import (
    FALLBACKS,
    TWILIO_EDGE,
    TWILIO_FROM_NUMBER,
)
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.errors import NotConfigured

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "twilio": ("twilio.accountSid", "twilio.authToken", "fromNumber"),
    "telnyx": ("telnyx.apiKey", "telnyx.connectionId", "telnyx.publicKey", "fromNumber"),
    "plivo": ("plivo.authId", "plivo.authToken", "fromNumber"),
    "mock": (),
}
"""What each carrier cannot work without."""
ONLY_TO_VERIFY: Final = frozenset({"telnyx.publicKey"})
"""Not needed when signatures are not verified at all."""
MOCK_FROM_NUMBER: Final = "+15550000000"
"""The mock carrier calls from here when no number is set."""


@dataclass(frozen=True, slots=True)
class MissingCredential:
    """A value without which the plugin cannot work; `str()` is the line that every door says."""

    path: str
    """Within the section, for example `twilio.authToken`."""
    env: tuple[str, ...] = ()
    """Variables that may stand in."""
    message: str = "is required"

    def __str__(self) -> str:
        text = f"{BASE_PATH}.{self.path} {self.message}"
        return f"{text} ({self.remedy})" if self.remedy else text

    @property
    def remedy(self) -> str | None:
        return f"or set {' or '.join(self.env)} env" if self.env else None

    def problem(self) -> ConfigProblem:
        """As a warning for `config validate`: the host starts without it."""
        return ConfigProblem(
            f"{BASE_PATH}.{self.path}", self.message, remedy=self.remedy, severity="warning"
        )


@dataclass(frozen=True, slots=True)
class TwilioCredentials:
    account_sid: str = field(repr=False)
    auth_token: SecretStr
    region: str | None = None
    edge: str | None = None


@dataclass(frozen=True, slots=True)
class TelnyxCredentials:
    api_key: SecretStr
    connection_id: str
    public_key: str | None
    """Base64; None only when signatures are not verified."""


@dataclass(frozen=True, slots=True)
class PlivoCredentials:
    auth_id: str = field(repr=False)
    auth_token: SecretStr


CarrierCredentials: TypeAlias = TwilioCredentials | TelnyxCredentials | PlivoCredentials | None
"""None for the mock carrier."""


@dataclass(frozen=True, slots=True)
class VendorKeys:
    """Keys of speech vendors and tunnels. None: neither in the file nor in the environment."""

    openai_stt: SecretStr | None
    openai_tts: SecretStr | None
    elevenlabs: SecretStr | None
    """For speaking."""
    elevenlabs_stt: SecretStr | None
    deepgram: SecretStr | None
    ngrok_token: SecretStr | None
    ngrok_domain: str | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that the plugin needs to know to act for its owner. Its repr shows no secret."""

    carrier: CarrierCredentials
    from_number: str
    vendors: VendorKeys


def missing_credentials(
    config: VoiceCallConfig, environ: Mapping[str, str]
) -> tuple[MissingCredential, ...]:
    """What the chosen carrier needs and nobody gives."""
    if config.provider is None:
        return (MissingCredential("provider"),)
    found = _Sources(config, environ)
    needed = [
        path
        for path in NEEDED[config.provider]
        if not (config.skip_signature_verification and path in ONLY_TO_VERIFY)
    ]
    missing = [found.why_missing(path) for path in needed]
    if config.provider == "twilio":
        missing.append(found.wrong_region())
    return tuple(each for each in missing if each is not None)


def resolve_credentials(config: VoiceCallConfig, environ: Mapping[str, str]) -> Credentials:
    """The chosen carrier's account, and the keys of vendors as far as they are known.

    Raises NotConfigured with every missing one.
    """
    missing = missing_credentials(config, environ)
    if missing:
        raise NotConfigured([str(each) for each in missing])
    found = _Sources(config, environ)
    return Credentials(
        carrier=_account(config, found),
        from_number=found.get("fromNumber") or MOCK_FROM_NUMBER,
        vendors=vendor_keys(config, environ),
    )


def vendor_keys(config: VoiceCallConfig, environ: Mapping[str, str]) -> VendorKeys:
    """The keys of speech vendors and tunnels, as far as they are known."""
    found = _Sources(config, environ)
    return VendorKeys(
        openai_stt=found.secret("streaming.providers.openai.apiKey", "streaming.openaiApiKey"),
        openai_tts=found.secret("tts.openai.apiKey"),
        elevenlabs=found.secret("tts.elevenlabs.apiKey"),
        elevenlabs_stt=found.secret("streaming.providers.elevenlabs.apiKey"),
        deepgram=found.secret("streaming.providers.deepgram.apiKey"),
        ngrok_token=found.secret("tunnel.ngrokAuthToken"),
        ngrok_domain=found.get("tunnel.ngrokDomain"),
    )


def _account(config: VoiceCallConfig, found: _Sources) -> CarrierCredentials:
    match config.provider:
        case "twilio":
            return TwilioCredentials(
                account_sid=found.need("twilio.accountSid"),
                auth_token=SecretStr(found.need("twilio.authToken")),
                region=found.get("twilio.region"),
                edge=found.environ.get(TWILIO_EDGE) or None,
            )
        case "telnyx":
            return TelnyxCredentials(
                api_key=SecretStr(found.need("telnyx.apiKey")),
                connection_id=found.need("telnyx.connectionId"),
                public_key=found.get("telnyx.publicKey"),
            )
        case "plivo":
            return PlivoCredentials(
                auth_id=found.need("plivo.authId"),
                auth_token=SecretStr(found.need("plivo.authToken")),
            )
        case _:
            return None


@dataclass(frozen=True, slots=True)
class _Sources:
    """The section over the environment."""

    config: VoiceCallConfig = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)

    def get(self, path: str) -> str | None:
        """The value that counts. A reference that the host could not replace counts as none, and
        the environment does not stand in for it: its owner meant another one."""
        written = self._written(path)
        if written:
            return None if unresolved_reference(written) else written
        return next((value for name in self._env(path) if (value := self.environ.get(name))), None)

    def need(self, path: str) -> str:
        value = self.get(path)
        assert value is not None, path
        return value

    def secret(self, *paths: str) -> SecretStr | None:
        """The value at the first of the paths that the file writes, else as `get` finds it."""
        path = next((path for path in paths if self._written(path)), paths[0])
        value = self.get(path)
        return SecretStr(value) if value else None

    def why_missing(self, path: str) -> MissingCredential | None:
        value, env = self.get(path), self._env(path)
        if value is None:
            name = unresolved_reference(self._written(path) or "")
            other = name is not None and name not in env
            message = f"is required: {name} is not set" if other else "is required"
            return MissingCredential(path, env, message)
        if path == "fromNumber" and not re.fullmatch(E164, value):
            return MissingCredential(path, message=f'from {env[0]} must match "{E164}"')
        return None

    def wrong_region(self) -> MissingCredential | None:
        """A region from the environment is checked here, one of the file by its type."""
        region, regions = self.get("twilio.region"), get_args(TwilioRegion)
        if region is None or region in regions:
            return None
        source = self._env("twilio.region")[0]
        message = f"from {source} must be one of {', '.join(regions)}"
        return MissingCredential("twilio.region", message=message)

    def _env(self, path: str) -> tuple[str, ...]:
        if path == "fromNumber":
            return (TWILIO_FROM_NUMBER,) if self.config.provider == "twilio" else ()
        return FALLBACKS.get(path, ())

    def _written(self, path: str) -> str | None:
        """What the file has at this path."""
        value: object = self.config
        for key in path.split("."):
            value = getattr(value, to_snake(key), None)
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return value if isinstance(value, str) else None
