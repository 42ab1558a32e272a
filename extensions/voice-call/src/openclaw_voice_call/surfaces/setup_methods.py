"""Setting up, over RPC (`voicecall.setup`, `.setup.plan`, `.setup.apply`) and without a gateway.

All of them work while the plugin itself cannot: then they say why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from openclaw.sdk import PluginApi
from openclaw_voice_call.errors import InvalidRequest
from openclaw_voice_call.setup.desk import Ground, SetupDesk
from openclaw_voice_call.setup.pointing import NumberPointer
from openclaw_voice_call.setup.report import as_json
from openclaw_voice_call.surfaces.arguments import Params, flag, text
from openclaw_voice_call.surfaces.rpc import WRITE, answering

ADMIN: Final = "operator.admin"


def register_setup(api: PluginApi, ground: Callable[[], Ground]) -> None:
    """Looking makes requests to the outside, so reading alone does not allow it; what decides where
    a number's calls go is for admins."""
    methods = SetupMethods(ground)
    api.add_rpc("voicecall.setup", answering(methods.setup), WRITE)
    api.add_rpc("voicecall.setup.plan", answering(methods.plan), ADMIN)
    api.add_rpc("voicecall.setup.apply", answering(methods.apply), ADMIN)


class SetupMethods:
    """Each takes a request's parameters and gives its result; raises VoiceCallError."""

    def __init__(self, ground: Callable[[], Ground]) -> None:
        """`ground` is asked for each request: the configuration may have changed."""
        self._ground = ground
        self._turn = asyncio.Lock()

    async def setup(self, params: Params) -> dict[str, object]:
        """`{offline?}` -> `{ok, checks: [{id, ok, level, message, remedy?}]}`."""
        return as_json(await SetupDesk(self._ground()).inspect(offline=flag(params, "offline")))

    async def plan(self, params: Params) -> dict[str, object]:
        """`{restore?}` -> `{carrier, number, changes: [{resource, name, from, to}], remarks,
        change}`. `restore` names a file that `apply` has left."""
        return (await NumberPointer(self._ground()).plan(text(params, "restore"))).as_json()

    async def apply(self, params: Params) -> dict[str, object]:
        """`{change, restore?}`: carry out the plan that has this change.

        Gives the plan with `applied`, `notTaken`, `restore` and `restoreCommand`.
        """
        change = text(params, "change")
        if change is None:
            raise InvalidRequest("change required: voicecall.setup.plan gives it")
        async with self._turn:
            pointer = NumberPointer(self._ground())
            return (await pointer.apply(change, text(params, "restore"))).as_json()
