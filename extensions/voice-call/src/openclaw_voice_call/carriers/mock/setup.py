"""The mock carrier's administration: an account that is always in order."""

from __future__ import annotations

from openclaw_voice_call.carriers.setup import AccountSetup
from openclaw_voice_call.interfaces.carrier_setup import AccountReport, Routing


def build_setup(setup: AccountSetup) -> MockSetup:
    return MockSetup()


class MockSetup:
    """Implements `interfaces.carrier_setup.CarrierSetupDoor`: nothing leads anywhere else."""

    async def check_account(self) -> AccountReport:
        return AccountReport("mock", "active", usable=True, remarks=("it reaches no phones",))

    async def routing(self, number: str) -> Routing | None:
        return Routing(number, voice=True)

    def aimed(self, routing: Routing, webhook_url: str) -> Routing:
        return routing

    async def apply(self, routing: Routing) -> None:
        """There is nothing to write."""
