"""The sections `agents` and `models`: who answers, with which model. Shared with other hosts."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, SecretStr

from openclaw.config.model_base import Items, NonEmpty, PositiveInt, SharedSection

DEFAULT_AGENT = "main"
DEFAULT_TIMEOUT_SECONDS = 600
DEFAULT_MAX_CONCURRENT = 64


class ModelChoice(SharedSection):
    """Which model to use: `{primary, fallbacks}`, or its name alone (`provider/model`)."""

    primary: NonEmpty | None = None
    fallbacks: Items[NonEmpty] = ()


def _from_name(value: object) -> object:
    return {"primary": value} if isinstance(value, str) else value


Model = Annotated[ModelChoice, BeforeValidator(_from_name)]


class AgentDefaults(SharedSection):
    """What holds for every agent that does not say otherwise."""

    model: Model = ModelChoice()
    timeout_seconds: PositiveInt = DEFAULT_TIMEOUT_SECONDS
    max_concurrent: PositiveInt = DEFAULT_MAX_CONCURRENT
    """Replies in the making at one time, all agents together."""
    workspace: str | None = None


class ToolPolicy(SharedSection):
    """Which tools an agent may use: those named, `*` for all, or all if none are named."""

    allow: Items[str] | None = None

    def admits(self, tool: str) -> bool:
        """Whether the agent may use this tool."""
        return self.allow is None or tool in self.allow or "*" in self.allow


class AgentConfig(SharedSection):
    """One agent."""

    default: bool = False
    model: Model = ModelChoice()
    tools: ToolPolicy = ToolPolicy()
    system_prompt: str | None = None
    workspace: str | None = None


class ListedAgent(AgentConfig):
    """One agent of `agents.list`."""

    id: NonEmpty


class AgentsConfig(SharedSection):
    """The agents: `defaults`, and either `list` or, in newer files, `entries` by id."""

    defaults: AgentDefaults = AgentDefaults()
    list: Items[ListedAgent] = ()
    entries: Mapping[str, AgentConfig] = {}

    def agent(self, agent_id: str) -> AgentConfig:
        """The settings of this agent; an agent that is not listed has the defaults only."""
        if agent_id in self.entries:
            return self.entries[agent_id]
        return next((each for each in self.list if each.id == agent_id), AgentConfig())

    def default_id(self) -> str:
        """The agent that is meant when none is named: the one marked default, else the first."""
        named = [(name, each) for name, each in self.entries.items()]
        named += [(each.id, each) for each in self.list]
        marked = [name for name, each in named if each.default]
        return next(iter(marked or [name for name, _ in named]), DEFAULT_AGENT)

    def model(self, agent_id: str) -> ModelChoice:
        """The model of this agent: its own, else the default one."""
        own = self.agent(agent_id).model
        return own if own.primary else self.defaults.model


class ProviderModel(SharedSection):
    """A model that a provider offers."""

    id: NonEmpty
    name: str | None = None
    context_window: PositiveInt | None = None
    max_tokens: PositiveInt | None = None


class ModelProvider(SharedSection):
    """Where models are served, e.g. any server that speaks OpenAI's protocol."""

    base_url: NonEmpty | None = None
    api_key: SecretStr | None = None
    api: NonEmpty | None = None
    """The protocol it speaks: `openai-completions`, `openai-responses`, `anthropic-messages`..."""
    headers: Mapping[str, object] = {}
    models: Items[ProviderModel] = ()


class ModelsConfig(SharedSection):
    """The model providers by id."""

    mode: Literal["merge", "replace"] | None = None
    providers: Mapping[str, ModelProvider] = {}
