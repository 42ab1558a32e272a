"""All carriers, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Final, cast

from openclaw_voice_call.carriers.setup import AccountSetup, CarrierSetup
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.interfaces.carrier import Carrier
from openclaw_voice_call.interfaces.carrier_setup import CarrierSetupDoor

Build = Callable[[CarrierSetup], Carrier]
BuildSetup = Callable[[AccountSetup], CarrierSetupDoor]

CARRIERS: Final[Mapping[str, str]] = {
    "mock": "openclaw_voice_call.carriers.mock.build",
    "plivo": "openclaw_voice_call.carriers.plivo.build",
    "telnyx": "openclaw_voice_call.carriers.telnyx.build",
    "twilio": "openclaw_voice_call.carriers.twilio.build",
}
"""The name in the configuration, and the module whose `build` makes it. Imported when chosen."""


def build_carrier(name: str, setup: CarrierSetup) -> Carrier:
    """Raises NotConfigured for a carrier that this version does not have."""
    module = CARRIERS.get(name)
    if module is None:
        known = ", ".join(sorted(CARRIERS))
        where = "plugins.entries.voice-call.config.provider"
        raise NotConfigured([f"{where}: {name!r} is not available yet (available: {known})"])
    build = cast("Build", import_module(module).build)
    return build(setup)


def build_setup_door(name: str, setup: AccountSetup) -> CarrierSetupDoor | None:
    """The carrier's administration: the `build_setup` of the module `setup` beside its `build`.

    None for a carrier that has none. Raises NotConfigured.
    """
    module = CARRIERS.get(name)
    if module is None:
        return None
    administration = f"{module.rpartition('.')[0]}.setup"
    if find_spec(administration) is None:
        return None
    build = cast("BuildSetup", import_module(administration).build_setup)
    return build(setup)
