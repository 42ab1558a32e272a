"""How a vendor's voice is set up: from its settings to something that can be built. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import aiohttp
from pydantic import SecretStr, ValidationError

from openclaw.sdk import Clock, finding
from openclaw_voice_call.config.base import Section, unresolved_reference
from openclaw_voice_call.config.fallbacks import FALLBACKS
from openclaw_voice_call.interfaces.speech import NativeVoice, TextToSpeech
from openclaw_voice_call.speech.spoken import Patience

_Settings = TypeVar("_Settings", bound=Section)


@dataclass(frozen=True, slots=True)
class VoiceParts:
    """What voices are built from. All of it belongs to whoever gives it."""

    session: aiohttp.ClientSession
    clock: Clock


class VoiceMaker(Protocol):
    """A vendor that can speak with the settings that there are."""

    @property
    def name(self) -> str: ...

    def build(self, parts: VoiceParts) -> TextToSpeech: ...


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a vendor cannot speak."""

    reason: str
    wanted: bool = False
    """Its owner has set it up, and something is wrong with that; else it is merely not there."""


@dataclass(frozen=True, slots=True)
class VoiceSources:
    """What a voice may be set up from, beside its section."""

    environ: Mapping[str, str] = field(repr=False)
    find_program: Callable[[str], str | None]
    """Where a program is, None if it is not installed."""
    patience: Patience

    def value(self, vendor: str, key: str, written: str | None) -> str | None:
        """A setting: as it is written, else from the environment.

        What is written as a reference that the host could not replace counts as missing, and the
        environment does not stand in for it: its owner meant another one.
        """
        if written:
            return None if unresolved_reference(written) else written
        names = FALLBACKS.get(f"tts.{vendor}.{key}", ())
        return next((value for name in names if (value := self.environ.get(name))), None)

    def secret(self, vendor: str, key: str, written: SecretStr | None) -> SecretStr | None:
        value = self.value(vendor, key, written.get_secret_value() if written else None)
        return SecretStr(value) if value else None

    def no_key(self, vendor: str, written: SecretStr | None) -> Unusable:
        """Why there is no API key."""
        name = unresolved_reference(written.get_secret_value()) if written else None
        if name is not None:
            return Unusable(f"its apiKey names {name}, which is not set", wanted=True)
        names = " or ".join(FALLBACKS.get(f"tts.{vendor}.apiKey", ()))
        return Unusable(f"it has no key (set providers.{vendor}.apiKey, or {names} env)")


class VoiceVendor(Protocol):
    """A vendor as the registry knows it."""

    @property
    def id(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def stands_in(self) -> bool:
        """Whether it speaks where the chosen one cannot, and is itself helped by others."""
        ...

    def set_up(self, raw: Mapping[str, object], sources: VoiceSources) -> VoiceMaker | Unusable:
        """`raw` is its block, merged over the host's."""
        ...


class Describer(Protocol):
    """A vendor whose voices are known well enough to name others that sound like them."""

    @property
    def id(self) -> str: ...

    def sounds_like(self, raw: Mapping[str, object]) -> NativeVoice | None:
        """What the chosen voice sounds like; None: none was chosen, or it is unknown."""
        ...


def read_settings(model: type[_Settings], raw: Mapping[str, object]) -> _Settings | Unusable:
    """The block, typed. Keys that only the host knows are left out; the host has checked them."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    try:
        return model.model_validate({key: raw[key] for key in raw.keys() & known})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(map(str, first["loc"]))
        return Unusable(f"its settings are wrong: {finding(first, path).render()}", wanted=True)
