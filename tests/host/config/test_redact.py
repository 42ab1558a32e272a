import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from openclaw.config.model import HostConfig
from openclaw.config.problem import ConfigProblem
from openclaw.config.redact import REDACTED, is_secret_key, redact
from openclaw.config.tree import Part, format_path
from openclaw.config.validate import validate

SECRET_KEYS = [
    "token",
    "authToken",
    "ngrokAuthToken",
    "password",
    "apiKey",
    "api_key",
    "OPENAI_API_KEY",
    "clientSecret",
    "accountSid",
    "authId",
    "privateKey",
    "Authorization",
]
OPEN_KEYS = ["port", "maxTokens", "contextTokens", "publicKey", "tokenizer", "provider", "path"]

SECRETS = st.text(alphabet="abcdefghijkmnopqrstuvwxyz0123456789", min_size=12).map("S3CRET".__add__)
KEYS = st.sampled_from([*SECRET_KEYS, *OPEN_KEYS, "gateway", "auth", "env", "x"])


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_keys_of_secrets(key: str):
    assert is_secret_key(key)


@pytest.mark.parametrize("key", OPEN_KEYS)
def test_keys_of_everything_else(key: str):
    assert not is_secret_key(key)


def test_a_redacted_block_keeps_its_shape():
    block = {
        "port": 1,
        "auth": {"token": "t", "password": "", "mode": "token"},
        "providers": [{"apiKey": "k", "baseUrl": "u", "headers": {"X-Any": "h"}}],
        "env": {"vars": {"A": "v"}, "shellEnv": {"enabled": True}},
        "typed": SecretStr("s"),
        "secretFlag": False,
    }
    assert redact(block) == {
        "port": 1,
        "auth": {"token": REDACTED, "password": "", "mode": "token"},
        "providers": [{"apiKey": REDACTED, "baseUrl": "u", "headers": {"X-Any": REDACTED}}],
        "env": {"vars": {"A": REDACTED}, "shellEnv": {"enabled": True}},
        "typed": REDACTED,
        "secretFlag": False,
    }


def test_a_part_is_redacted_by_its_place_in_the_whole():
    assert redact("t", ("gateway", "auth", "token")) == REDACTED
    assert redact({"id": "x"}, ("gateway", "auth", "token")) == {"id": REDACTED}


@st.composite
def trees_with_secrets(draw: st.DrawFn) -> tuple[object, list[str]]:
    """A tree in which every text under a secret's key is in the list beside it."""
    hidden: list[str] = []

    def build(depth: int, secret: bool) -> object:
        kind = draw(st.sampled_from(["text", "list", "tree"] if depth < 3 else ["text"]))
        if kind == "list":
            return [build(depth + 1, secret) for _ in range(draw(st.integers(0, 2)))]
        if kind == "tree":
            keys = draw(st.lists(KEYS, max_size=4, unique=True))
            return {key: build(depth + 1, secret or is_secret_key(key)) for key in keys}
        text = draw(SECRETS)
        if secret:
            hidden.append(text)
            return text
        return "open"

    return build(0, False), hidden


@given(trees_with_secrets())
def test_no_secret_is_in_a_redacted_tree(case: tuple[object, list[str]]):
    tree, hidden = case
    shown = json.dumps(redact(tree))
    assert not [secret for secret in hidden if secret in shown]


@given(st.lists(KEYS | st.integers(0, 3), max_size=4), st.sampled_from(SECRET_KEYS), SECRETS)
def test_a_problem_never_shows_a_secret(before: list[Part], key: str, secret: str):
    for value in (secret, SecretStr(secret), {key: secret}, [secret]):
        problem = ConfigProblem(format_path([*before, key]), "wrong", value)
        assert secret not in problem.render() + repr(problem)


PLACES = st.sampled_from(
    [
        ("gateway", "auth", "token"),
        ("gateway", "auth", "password"),
        ("gateway", "remote", "token"),
        ("gateway", "auth"),
        ("gateway", "remote"),
        ("models", "providers", "openai", "apiKey"),
        ("models", "providers", "openai"),
        ("messages", "tts", "openai"),
        ("plugins", "entries", "x", "apiKey"),
        ("plugins", "entries", "x", "env", "ANY"),
        ("plugins", "entries", "x"),
        ("gateway", "auth", "tokn"),
    ]
)


@given(PLACES, SECRETS, st.sampled_from(["plain", "listed", "nested", "number"]))
def test_no_problem_of_the_whole_file_shows_a_secret(
    place: tuple[str, ...], secret: str, form: str
):
    number = int.from_bytes(secret.encode()[:12], "big")
    value: object = {
        "plain": secret,
        "listed": [secret],
        "nested": {"deeper": secret},
        "number": number,
    }[form]
    for key in reversed(place):
        value = {key: value}
    assert isinstance(value, dict)
    config, problems = validate(HostConfig, value)
    text = "".join(each.render() + repr(each) for each in problems) + repr(config)
    assert secret not in text
    assert str(number) not in text


def test_a_problem_names_path_value_allowed_values_and_remedy():
    problem = ConfigProblem("gateway.bind", "wrong:", "moon", ("lan", "loopback"), "pick one")
    assert problem.render() == 'gateway.bind: wrong: "moon" (allowed: "lan", "loopback"); pick one'


def test_a_long_value_is_cut():
    assert len(ConfigProblem("a", "wrong", "x" * 10_000).render()) < 120


@pytest.mark.parametrize("block", ["auth", "remote"])
def test_a_mistyped_key_does_not_uncover_a_secret(block: str):
    gateway = {"port": 1, block: {"tokn": "hunter2", "mode": "token", "url": "wss://h"}}
    assert redact({"gateway": gateway}) == {
        "gateway": {"port": 1, block: {"tokn": REDACTED, "mode": "token", "url": "wss://h"}}
    }
