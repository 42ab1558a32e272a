"""The configuration of agents and models."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from openclaw.agent.models import Models
from openclaw.agent.settings import AgentSettings, ModelRef
from openclaw.errors import ConfigError

KEYS = {"OPENAI_API_KEY": "sk-from-env"}


def parse(config: Mapping[str, object], env: Mapping[str, str] | None = None) -> AgentSettings:
    return AgentSettings.parse(config, env or {})


def names(settings: AgentSettings, model: str | None = None, agent: str = "main") -> list[str]:
    return [str(ref) for ref in Models(settings).candidates(model, agent)]


def problem(settings: AgentSettings, model: str) -> str | None:
    found = Models(settings).problem(ModelRef.parse(model))
    return str(found) if found else None


@pytest.mark.parametrize(
    ("text", "provider", "name"),
    [
        ("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("local/meta/llama", "local", "meta/llama"),
        (" scripted/x ", "scripted", "x"),
    ],
)
def test_a_model_is_named_by_provider_and_name(text: str, provider: str, name: str) -> None:
    assert ModelRef.parse(text) == ModelRef(provider, name)


def test_without_configuration_there_is_a_default_model() -> None:
    assert names(parse({})) == ["openai/gpt-4o-mini"]


def test_a_model_without_provider_is_said_to_be_openais(caplog: pytest.LogCaptureFixture) -> None:
    models = Models(parse({"agents": {"defaults": {"model": "gpt-4o"}}}))
    for _ in range(3):
        assert [str(ref) for ref in models.candidates("openai/gpt-4o", "main")] == ["openai/gpt-4o"]
    assert caplog.text.count("taken as OpenAI's") == 1


def test_fallbacks_stand_in_for_every_choice() -> None:
    settings = parse(
        {
            "agents": {
                "defaults": {"model": {"primary": "a/1", "fallbacks": ["b/2", "a/1", "c/3"]}},
                "list": [{"id": "sales", "model": "s/9"}, {"id": "plain"}],
            }
        }
    )
    assert names(settings) == ["a/1", "b/2", "c/3"]
    assert names(settings, "x/7") == ["x/7", "a/1", "b/2", "c/3"]
    assert names(settings, agent="plain") == ["a/1", "b/2", "c/3"]
    assert names(settings, agent="sales") == ["s/9"]


def test_newer_files_list_agents_by_id() -> None:
    entries = {"sales": {"model": "s/9", "tools": {"allow": ["lookup"]}}}
    settings = parse({"agents": {"defaults": {"model": "a/1"}, "entries": entries}})
    assert names(settings, agent="sales") == ["s/9"]
    assert names(settings, agent="other") == ["a/1"]
    assert settings.may_use("sales", "lookup")
    assert not settings.may_use("sales", "voice_call")
    assert settings.may_use("other", "voice_call")


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"models": 3}, "models: "),
        ({"models": {"providers": []}}, "models.providers: "),
        ({"models": {"providers": {"openai": {"apiKey": 5}}}}, "models.providers.openai.apiKey: "),
        ({"agents": {"list": [{"model": "x"}]}}, "agents.list[0].id: "),
        ({"agents": {"defaults": {"maxConcurrent": 0}}}, "agents.defaults.maxConcurrent: "),
        (
            {"models": {"providers": {"scripted": {"rules": [{"match": "("}]}}}},
            "models.providers.scripted.rules[0].match: ",
        ),
        (
            {"models": {"providers": {"scripted": {"rules": [{"fail": "never"}]}}}},
            "models.providers.scripted.rules[0].fail: ",
        ),
    ],
)
def test_a_wrong_value_is_named_by_its_path(config: Mapping[str, object], path: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(config)
    assert str(refused.value).startswith(path)


def test_keys_of_other_programs_are_left_alone() -> None:
    settings = parse(
        {
            "agents": {"defaults": {"thinkingDefault": "low"}, "list": [{"id": "a", "emoji": "x"}]},
            "models": {"mode": "merge", "providers": {"openai": {"models": [{"id": "m"}]}}},
        },
        KEYS,
    )
    assert problem(settings, "openai/m") is None


def test_a_missing_key_is_reported_with_every_remedy() -> None:
    found = problem(parse({}), "openai/gpt-4o-mini")
    assert found == (
        "model openai/gpt-4o-mini: provider openai has no key; "
        "set models.providers.openai.apiKey or the environment variable OPENAI_API_KEY"
    )


@pytest.mark.parametrize("key", ["", "  ", "${OPENAI_API_KEY}"])
def test_an_empty_or_unresolved_key_is_a_missing_one(key: str) -> None:
    settings = parse({"models": {"providers": {"openai": {"apiKey": key}}}})
    assert "has no key" in (problem(settings, "openai/x") or "")


@pytest.mark.parametrize(
    ("provider", "complaint"),
    [
        ({}, "models.providers.mine.baseUrl"),
        ({"baseUrl": "http://127.0.0.1:1", "api": "anthropic-messages"}, "openai-completions"),
    ],
)
def test_a_provider_that_cannot_be_asked_says_why(
    provider: Mapping[str, object], complaint: str
) -> None:
    settings = parse({"models": {"providers": {"mine": provider}}})
    assert complaint in (problem(settings, "mine/x") or "")


def test_a_server_of_ones_own_needs_no_key() -> None:
    settings = parse({"models": {"providers": {"mine": {"baseUrl": "http://127.0.0.1:1"}}}})
    assert problem(settings, "mine/x") is None
    assert problem(settings, "unknown/x")
    assert problem(settings, "scripted/x")


def test_the_environment_fills_in_what_the_file_leaves_open() -> None:
    env = {**KEYS, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    endpoint = parse({}, env).endpoints["openai"]
    assert endpoint.api_key
    assert endpoint.api_key.get_secret_value() == "sk-from-env"
    assert endpoint.base_url == "http://127.0.0.1:9/v1"

    own = {"models": {"providers": {"openai": {"apiKey": "sk-own", "baseUrl": "http://own/v1"}}}}
    endpoint = parse(own, env).endpoints["openai"]
    assert endpoint.api_key
    assert endpoint.api_key.get_secret_value() == "sk-own"
    assert endpoint.base_url == "http://own/v1"


def test_keys_do_not_show() -> None:
    secret = {"models": {"providers": {"openai": {"apiKey": "sk-secret"}}}}
    assert "sk-secret" not in repr(parse(secret, {"OPENAI_API_KEY": "sk-secret"}))
    wrong = {"models": {"providers": {"openai": {"apiKey": ["sk-secret"]}}}}
    with pytest.raises(ConfigError) as refused:
        parse(wrong)
    assert "sk-secret" not in str(refused.value)
