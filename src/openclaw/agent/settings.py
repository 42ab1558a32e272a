"""The sections `agents` and `models` of the configuration, as far as we use them.

Both belong to files that other OpenClaw programs share, so keys that we do not know are left alone,
while those that we know are checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from openclaw.agent.scripted import Script
from openclaw.config.problem import ConfigProblem
from openclaw.config.tree import is_tree
from openclaw.errors import ConfigError

DEFAULT_MODEL = "openai/gpt-4o-mini"
ASSUMED_PROVIDER = "openai"
SCRIPTED = "scripted"
OPENAI_BASE_URL = "https://api.openai.com/v1"
OPENAI_CHAT = "openai-completions"

_S = TypeVar("_S", bound=BaseModel)
_UNRESOLVED = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class ModelChoice(_Section):
    """A model, and those to try when it cannot answer; written as text or as an object."""

    primary: str | None = None
    fallbacks: tuple[str, ...] = ()


def _choice(value: object) -> object:
    return {"primary": value} if isinstance(value, str) else value


Choice = Annotated[ModelChoice, BeforeValidator(_choice)]


class ToolPolicy(_Section):
    """Which tools an agent may use: those named, or all if none are named."""

    allow: tuple[str, ...] | None = None


class AgentEntry(_Section):
    """One agent of `agents.list`."""

    id: str
    model: Choice = ModelChoice()
    tools: ToolPolicy = ToolPolicy()


class _Defaults(_Section):
    model: Choice = ModelChoice()
    max_concurrent: Annotated[int, Field(ge=1)] = 64


class _Agents(_Section):
    defaults: _Defaults = _Defaults()
    list: tuple[AgentEntry, ...] = ()


class _Provider(_Section):
    base_url: str | None = None
    api_key: SecretStr | None = None
    api: str = OPENAI_CHAT


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

    default: ModelChoice
    agents: Mapping[str, AgentEntry]
    endpoints: Mapping[str, Endpoint]
    script: Script | None
    """What the scripted model says, if `models.providers.scripted` stands in the file."""
    max_concurrent: int
    """Replies in the making at one time, all agents together."""

    @classmethod
    def parse(cls, config: Mapping[str, object], env: Mapping[str, str]) -> AgentSettings:
        """Read a whole configuration; `env` fills in OPENAI_API_KEY and OPENAI_BASE_URL.

        Raises:
            ConfigError: With every problem's path.
        """
        problems: list[ConfigProblem] = []
        agents = _read(_Agents, config.get("agents"), "agents", problems) or _Agents()
        providers = _section(
            _section(config, "models", "", problems), "providers", "models.", problems
        )
        endpoints: dict[str, Endpoint] = {}
        script: Script | None = None
        for name, value in providers.items():
            path = f"models.providers.{name}"
            if name == SCRIPTED:
                script = _read(Script, value, path, problems)
            elif provider := _read(_Provider, value, path, problems):
                endpoints[name] = Endpoint(
                    provider.base_url, _resolved(provider.api_key), provider.api
                )
        if problems:
            raise ConfigError(problems)
        endpoints["openai"] = _with_environment(endpoints.get("openai"), env)
        return cls(
            default=agents.defaults.model,
            agents={entry.id: entry for entry in agents.list},
            endpoints=endpoints,
            script=script,
            max_concurrent=agents.defaults.max_concurrent,
        )

    def model_names(self, model: str | None, agent_id: str) -> tuple[str, ...]:
        """Give the models to try for an agent as they are written, best first; at least one.

        An explicit model comes first; the agent's own choice (else the default one) stands in.
        """
        entry = self.agents.get(agent_id)
        choice = entry.model if entry and entry.model.primary else self.default
        names = [model, choice.primary, *choice.fallbacks]
        if not (model or choice.primary):
            names.insert(0, DEFAULT_MODEL)
        return tuple(dict.fromkeys(name for name in names if name))

    def may_use(self, agent_id: str, tool: str) -> bool:
        """Tell whether an agent's `tools.allow` admits a tool; `*` admits all."""
        entry = self.agents.get(agent_id)
        allow = entry.tools.allow if entry else None
        return allow is None or tool in allow or "*" in allow


def _section(
    config: Mapping[str, object], key: str, prefix: str, problems: list[ConfigProblem]
) -> Mapping[str, object]:
    value = config.get(key)
    if value is None:
        return {}
    if not is_tree(value):
        problems.append(ConfigProblem(prefix + key, "expected object", value))
        return {}
    return value


def _read(section: type[_S], value: object, path: str, problems: list[ConfigProblem]) -> _S | None:
    if value is None:
        return None
    try:
        return section.model_validate(value)
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False, include_context=False):
            where = "".join(
                f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]
            )
            problems.append(ConfigProblem(path + where, error["msg"]))
        return None


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
