"""What a carrier may offer to those who set it up: its account, and where a number's calls go.

Optional: a carrier without a `setup` module works, and its settings are then the owner's to check.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class AccountReport(msgspec.Struct, frozen=True):
    """What the carrier says about the account that the credentials open."""

    account: str
    """For people; its id shortened (F81)."""
    state: str
    """The carrier's own word: `active`, `suspended` and so on."""
    usable: bool
    server_time: float | None = None
    """What the carrier's clock showed when it answered, epoch seconds; None if it did not say."""
    remarks: tuple[str, ...] = ()
    """What else the owner should know: a trial account, credit that runs out."""


class Setting(msgspec.Struct, frozen=True):
    """One value at the carrier that decides where calls go."""

    resource: str
    """What it belongs to, as a path of the carrier's API below the account."""
    name: str
    """As the carrier's API names it when it is written."""
    value: str
    """Empty: not set."""


class Routing(msgspec.Struct, frozen=True):
    """Where the calls to one number of ours go."""

    number: str
    """E.164."""
    voice: bool
    """Whether the number can carry calls at all."""
    settings: tuple[Setting, ...] = ()
    """All values that matter, in a fixed order."""
    remarks: tuple[str, ...] = ()
    """What pointing the number elsewhere would undo, and what stands in its way."""


def differing(before: Routing, after: Routing) -> Sequence[tuple[Setting, Setting]]:
    """The settings of `after` whose value is another one in `before`, old beside new.

    A setting that `before` does not have counts as not set.
    """
    known = {(each.resource, each.name): each for each in before.settings}
    pairs = [
        (known.get((each.resource, each.name)) or msgspec.structs.replace(each, value=""), each)
        for each in after.settings
    ]
    return [(old, new) for old, new in pairs if old.value != new.value]


class CarrierSetupDoor(Protocol):
    """A carrier's administration. Every async method raises CarrierError."""

    async def check_account(self) -> AccountReport:
        """Ask the carrier who we are; changes nothing.

        CarrierRefused: the credentials are wrong.
        """
        ...

    async def routing(self, number: str) -> Routing | None:
        """Where the calls to `number` (E.164) go now; None when the account does not own it."""
        ...

    def aimed(self, routing: Routing, webhook_url: str) -> Routing:
        """Pure: the routing with which the number's calls come to `webhook_url`."""
        ...

    async def apply(self, routing: Routing) -> None:
        """Write the settings of `routing`, which may be some of all. Twice is as good as once.

        Settings that exclude each other at the carrier are written so that the result is `routing`.
        """
        ...
