"""Pointing our number at this gateway, and back: show the difference, keep the old values, write.

Whoever agreed to a change agreed to what was shown, so nothing is written when the carrier's values
have changed meanwhile; and the old values are on disk before the first new one is written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from openclaw_voice_call.call.opening import InboundPolicy
from openclaw_voice_call.errors import InvalidRequest, NotReady
from openclaw_voice_call.exposure.checks import must_be_public, unreachable
from openclaw_voice_call.interfaces.carrier_setup import Routing, Setting, differing
from openclaw_voice_call.setup.checks import shown_url
from openclaw_voice_call.setup.desk import Administration, Ground, SetupDesk
from openclaw_voice_call.setup.restoring import COMMAND, RestoreFiles, SavedRouting


class Plan(NamedTuple):
    """What would be written. `change` names exactly this change of exactly these old values."""

    carrier: str
    before: Routing
    after: Routing
    remarks: tuple[str, ...]

    @property
    def changes(self) -> Sequence[tuple[Setting, Setting]]:
        return differing(self.before, self.after)

    @property
    def change(self) -> str:
        content = msgspec.json.encode((self.carrier, self.before, self.after))
        return hashlib.sha256(content).hexdigest()[:32]

    def as_json(self) -> dict[str, object]:
        """`{carrier, number, changes: [{resource, name, from, to}], remarks, change}`."""
        return {
            "carrier": self.carrier,
            "number": self.before.number,
            "changes": [_change(old, new) for old, new in self.changes],
            "remarks": list(self.remarks),
            "change": self.change,
        }


class Applied(NamedTuple):
    """What was written. `restore` is the file with the old values; None when nothing changed."""

    plan: Plan
    restore: str | None
    left: Sequence[tuple[Setting, Setting]]
    """What the carrier has otherwise than it was told."""

    def as_json(self) -> dict[str, object]:
        """The plan's JSON with `applied`, `notTaken`, `restore` and `restoreCommand`."""
        told = {**self.plan.as_json(), "applied": not self.left}
        told["notTaken"] = [_change(old, new) for old, new in self.left]
        if self.restore is not None:
            told |= {"restore": self.restore, "restoreCommand": f"{COMMAND} {self.restore}"}
        return told


class NumberPointer:
    """To be applied by one at a time. Every method raises NotReady and CarrierError."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._desk = SetupDesk(ground)
        self._files = RestoreFiles(ground.folder)

    async def plan(self, restore: str | None = None) -> Plan:
        """What pointing the number here would change, or writing the values of a file back.

        Raises InvalidRequest.
        """
        async with self._desk.administration() as administration:
            return await self._plan(administration, restore)

    async def apply(self, change: str, restore: str | None = None) -> Applied:
        """Carry out the plan that makes this change.

        Raises InvalidRequest when there is another plan by now, JournalRefused when the old values
        could not be kept; then nothing was written.
        """
        async with self._desk.administration() as administration:
            plan = await self._plan(administration, restore)
            if plan.change != change:
                problem = InvalidRequest("the number's settings have changed since they were shown")
                problem.remedy = "Look at the difference again, and decide again."
                raise problem
            if not plan.changes:
                return Applied(plan, None, ())
            saved = SavedRouting(plan.carrier, self._ground.wall(), plan.before)
            name = await asyncio.to_thread(self._files.save, saved)
            new = tuple(new for _, new in plan.changes)
            await administration.door.apply(msgspec.structs.replace(plan.after, settings=new))
            now = await administration.door.routing(plan.before.number)
            left = () if now is None else differing(now, plan.after)
            return Applied(plan, name, left)

    async def _plan(self, administration: Administration, restore: str | None) -> Plan:
        carrier, door, number, config = administration
        saved = None
        if restore is not None:
            saved = await asyncio.to_thread(self._files.load, restore)
            if saved.carrier != carrier:
                raise InvalidRequest(f"{restore} holds settings of {saved.carrier}, not {carrier}")
            number = saved.routing.number
        before = await door.routing(number)
        if before is None:
            problem = InvalidRequest(f"the account does not own {number}")
            problem.remedy = "Set fromNumber to a number of this account, in E.164."
            raise problem
        if saved is not None:
            return Plan(carrier, before, saved.routing, ())
        url = self._desk.webhook_url(config)
        if url is None:
            problem = NotReady("the webhook's public URL is not known without a running gateway")
            problem.remedy = "Set publicUrl, or start the gateway: it opens the tunnel."
            raise problem
        reason = unreachable(url)
        if reason is not None and must_be_public(config):
            problem = InvalidRequest(f"{shown_url(url)} cannot be called by {carrier}: {reason}")
            problem.remedy = "Set publicUrl to the address that the internet reaches."
            raise problem
        remarks = before.remarks
        if config.inbound_policy is InboundPolicy.DISABLED:
            remarks = (*remarks, "callers will be refused: inboundPolicy is disabled")
        return Plan(carrier, before, door.aimed(before, url), remarks)


def _change(old: Setting, new: Setting) -> dict[str, object]:
    return {
        "resource": new.resource,
        "name": new.name,
        "from": shown_url(old.value),
        "to": shown_url(new.value),
    }
