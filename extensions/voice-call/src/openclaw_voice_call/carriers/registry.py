"""All carriers, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, cast

from openclaw_voice_call.carriers.setup import CarrierSetup
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.interfaces.carrier import Carrier

Build = Callable[[CarrierSetup], Carrier]

CARRIERS: Final[Mapping[str, str]] = {
    "mock": "openclaw_voice_call.carriers.mock.build",
    "twilio": "openclaw_voice_call.carriers.twilio.build",
}
"""The name in the configuration, and the module whose `build` makes it. Imported when chosen."""
    "telnyx": "openclaw_voice_call.carriers.telnyx.build",


def build_carrier(name: str, setup: CarrierSetup) -> Carrier:
    """Raises NotConfigured for a carrier that this version does not have."""
    module = CARRIERS.get(name)
    if module is None:
        known = ", ".join(sorted(CARRIERS))
        where = "plugins.entries.voice-call.config.provider"
        raise NotConfigured([f"{where}: {name!r} is not available yet (available: {known})"])
    build = cast("Build", import_module(module).build)
    return build(setup)
