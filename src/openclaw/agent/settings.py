"""What the agent runtime takes from the sections `agents` and `models` of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from openclaw.agent.scripted import Script
from openclaw.config.model_agents import AgentsConfig, ModelProvider, ModelsConfig
from openclaw.config.model_base import SharedSection
from openclaw.config.problem import ConfigProblem
from openclaw.config.tree import is_tree, lookup
from openclaw.config.validate import validate
from openclaw.errors import ConfigError

DEFAULT_MODEL = "openai/gpt-4o-mini"
ASSUMED_PROVIDER = "openai"
SCRIPTED = "scripted"
OPENAI_BASE_URL = "https://api.openai.com/v1"
OPENAI_CHAT = "openai-completions"

_UNRESOLVED = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")


class _Sections(SharedSection):
    """The sections of the file that are read here."""

    agents: AgentsConfig = AgentsConfig()
    models: ModelsConfig = ModelsConfig()


@dataclass(frozen=True)
class Endpoint:
    """Where a provider's models are and what opens them. The key does not show in `repr`."""

    base_url: str | None
    api_key: SecretStr | None
    api: str


@dataclass(frozen=True)
class ModelRef:
    """A model by provider and the provider's own name for it."""

    provider: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read `provider/model`; without a provider it is OpenAI's. The model may hold slashes."""
        provider, slash, name = text.strip().partition("/")
        return cls(provider, name) if slash else cls(ASSUMED_PROVIDER, provider)

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True)
class AgentSettings:
    """What the agent runtime needs to know of the configuration and the environment."""

    agents: AgentsConfig
    endpoints: Mapping[str, Endpoint]
    script: Script | None
    """What the scripted model says, if `models.providers.scripted` stands in the file."""

    @classmethod
    def parse(cls, config: Mapping[str, object], env: Mapping[str, str]) -> AgentSettings:
        """Read a whole configuration; `env` fills in OPENAI_API_KEY and OPENAI_BASE_URL.

        Raises:
            ConfigError: With every problem's path.
        """
        read = {name: config[name] for name in ("agents", "models") if name in config}
        sections, problems = validate(_Sections, read)
        script, more = _script(config)
        wrong = [each for each in (*problems, *more) if each.severity == "error"]
        if sections is None or wrong:
            raise ConfigError(wrong)
        endpoints = {
            name: _endpoint(provider)
            for name, provider in sections.models.providers.items()
            if name != SCRIPTED
        }
        endpoints["openai"] = _with_environment(endpoints.get("openai"), env)
        return cls(sections.agents, endpoints, script)

    @property
    def max_concurrent(self) -> int:
        """Replies in the making at one time, all agents together."""
        return self.agents.defaults.max_concurrent

    def model_names(self, model: str | None, agent_id: str) -> tuple[str, ...]:
        """Give the models to try for an agent as they are written, best first; at least one.

        An explicit model comes first; the agent's own choice (else the default one) stands in.
        """
        choice = self.agents.model(agent_id)
        names = [model, choice.primary, *choice.fallbacks]
        if not (model or choice.primary):
            names.insert(0, DEFAULT_MODEL)
        return tuple(dict.fromkeys(name for name in names if name))

    def may_use(self, agent_id: str, tool: str) -> bool:
        """Tell whether an agent's `tools.allow` admits a tool."""
        return self.agents.agent(agent_id).tools.admits(tool)


def _script(config: Mapping[str, object]) -> tuple[Script | None, tuple[ConfigProblem, ...]]:
    place = ("models", "providers", SCRIPTED)
    raw = lookup(config, place)
    return (None, ()) if raw is None or not is_tree(raw) else validate(Script, raw, place)


def _endpoint(provider: ModelProvider) -> Endpoint:
    return Endpoint(provider.base_url, _resolved(provider.api_key), provider.api or OPENAI_CHAT)


def _resolved(key: SecretStr | None) -> SecretStr | None:
    """Take a key that is empty, or still `${NAME}` because NAME is not set, for a missing one."""
    text = key.get_secret_value().strip() if key else ""
    return None if not text or _UNRESOLVED.fullmatch(text) else SecretStr(text)


def _with_environment(endpoint: Endpoint | None, env: Mapping[str, str]) -> Endpoint:
    found = endpoint or Endpoint(None, None, OPENAI_CHAT)
    env_key = env.get("OPENAI_API_KEY", "").strip()
    return Endpoint(
        base_url=found.base_url or env.get("OPENAI_BASE_URL") or OPENAI_BASE_URL,
        api_key=found.api_key or (SecretStr(env_key) if env_key else None),
        api=found.api,
    )
