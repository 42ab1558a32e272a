"""Which models there are, and how to open them."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from openclaw.agent.prompt import Model
from openclaw.agent.scripted import ScriptedModel
from openclaw.agent.settings import OPENAI_CHAT, SCRIPTED, AgentSettings, ModelRef
from openclaw.errors import ModelNotConfigured

if TYPE_CHECKING:
    from openclaw.agent.openai_chat import OpenAIChat

log = logging.getLogger(__name__)


class Models:
    """Opens models by name; each vendor's connections are made once and shared."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._vendors: dict[str, OpenAIChat] = {}
        self._opening = asyncio.Lock()
        self._said: set[str] = set()

    def candidates(self, model: str | None, agent_id: str) -> Sequence[ModelRef]:
        """Give the models to try, best first, each once; at least one."""
        names = self._settings.model_names(model, agent_id)
        for name in names:
            if "/" not in name and name not in self._said:
                self._said.add(name)
                log.warning("model without provider taken as OpenAI's", extra={"model": name})
        return tuple(dict.fromkeys(ModelRef.parse(name) for name in names))

    def problem(self, ref: ModelRef) -> ModelNotConfigured | None:
        """Say what the configuration lacks for a model, or None if it could be asked."""
        section = f"models.providers.{ref.provider}"

        def lacks(key: str, problem: str, env: str | None = None) -> ModelNotConfigured:
            return ModelNotConfigured(
                str(ref), provider=ref.provider, config_key=key, problem=problem, env=env
            )

        if ref.provider == SCRIPTED:
            return None if self._settings.script else lacks(section, "has no script")
        endpoint = self._settings.endpoints.get(ref.provider)
        if endpoint is None or not endpoint.base_url:
            return lacks(f"{section}.baseUrl", "has no address")
        if endpoint.api != OPENAI_CHAT:
            return lacks(f"{section}.api", f'speaks "{endpoint.api}" (allowed: "{OPENAI_CHAT}")')
        # Other addresses may be servers of one's own, which need no key.
        if ref.provider == "openai" and endpoint.api_key is None:
            return lacks(f"{section}.apiKey", "has no key", env="OPENAI_API_KEY")
        return None

    async def open(self, ref: ModelRef) -> Model:
        """Make a model ready; the first one of a vendor takes about two seconds to import.

        Raises:
            ModelNotConfigured: As `problem` says.
        """
        if problem := self.problem(ref):
            raise problem
        if ref.provider == SCRIPTED and (script := self._settings.script):
            return ScriptedModel(ref.name, script)
        async with self._opening:
            if ref.provider not in self._vendors:
                self._vendors[ref.provider] = await self._connect(ref.provider)
        return self._vendors[ref.provider].model(ref)

    async def close(self) -> None:
        """Close all connections."""
        vendors, self._vendors = self._vendors, {}
        for vendor in vendors.values():
            await vendor.close()

    async def _connect(self, provider: str) -> OpenAIChat:
        endpoint = self._settings.endpoints[provider]

        def make() -> OpenAIChat:
            # 2 s and 45 MB: only when a reply is near, and never on the event loop's thread.
            from openclaw.agent.openai_chat import OpenAIChat

            # What was imported stays for good. Searching it for garbage would stop the event loop
            # for some 80 ms every now and then, which is heard on a live call.
            gc.freeze()
            return OpenAIChat(endpoint)

        return await asyncio.to_thread(make)
