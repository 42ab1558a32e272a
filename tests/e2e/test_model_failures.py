"""The model fails in every way that models do: the caller hears an apology and is heard again."""

from time import monotonic

import pytest

from tests.e2e.conftest import CALLEE, MODEL_KEY, StartSetup
from tests.emulators.openai_chat import (
    Answer,
    Drop,
    Failing,
    Hang,
    OpenAIChatEmulator,
    Raw,
    Refuse,
    Say,
)
from tests.emulators.twilio import HangsUp, Person, Reply

APOLOGY = "Sorry, I could not come up with an answer just now. Could you say that again?"
LIMIT_S = 2.0


@pytest.mark.scenario("F18", carrier="twilio")
@pytest.mark.parametrize(
    "answer",
    [
        Failing("server_error"),
        Say(""),
        Refuse(401, "invalid_api_key", message="Incorrect API key provided"),
        Refuse(429, "insufficient_quota", message="You exceeded your current quota"),
        Refuse(500, None, type="server_error"),
        Hang(),
        Drop(),
        Raw(b"<html>Bad gateway</html>", "text/html"),
    ],
    ids=["error", "empty", "401", "quota", "500", "hangs", "drops", "nonsense"],
)
async def test_a_failing_model_leads_to_an_apology_in_time(
    setup: StartSetup, answer: Answer
) -> None:
    callee = Person(
        ["What is the capital of France?", Reply("The capital of France?", when="again")],
        hangs_up=HangsUp(after_hearing="Paris"),
    )
    async with OpenAIChatEmulator(key=MODEL_KEY) as model:
        # Clients of this API repeat what failed: all requests of the first turn fail.
        model.will(answer)
        phone = await setup(
            {"responseModel": "openai/gpt-4o-mini", "responseTimeoutMs": int(LIMIT_S * 1000)},
            people={CALLEE: callee},
            host={
                "models": {
                    "providers": {"openai": {"baseUrl": model.base_url, "apiKey": MODEL_KEY}}
                }
            },
        )
        call = await phone.gateway.initiate(CALLEE, "Ask me something.")
        await phone.gateway.wait_call(call, lambda view: bool(view.texts("user")))
        heard = monotonic()
        await callee.wait_heard(APOLOGY, complete=False)
        assert monotonic() - heard < LIMIT_S + 1
        model.will(Say("It is Paris."))
        record = await phone.gateway.wait_state(call, "hangup-user")
    assert callee.texts() == ["Ask me something.", APOLOGY, "It is Paris."]
    assert record.texts("user") == ["What is the capital of France?", "The capital of France?"]


@pytest.mark.scenario("F18", carrier="twilio")
@pytest.mark.parametrize("failure", ["error", "refused", "empty", "hang", "timeout"])
async def test_a_fallback_model_answers_instead(setup: StartSetup, failure: str) -> None:
    callee = Person(["Hello?"], hangs_up=HangsUp(after_hearing="second", delay=5.0))
    phone = await setup(
        {"responseModel": "scripted/first", "responseTimeoutMs": int(LIMIT_S * 1000)},
        people={CALLEE: callee},
        script={
            "rules": [
                {"model": "first", "reply": "I am the first.", "fail": failure},
                {"model": "second", "reply": "I am the second."},
            ]
        },
        host={
            "agents": {
                "defaults": {
                    "model": {"primary": "scripted/first", "fallbacks": ["scripted/second"]}
                }
            }
        },
    )
    call = await phone.gateway.initiate(CALLEE)
    record = await phone.gateway.wait_state(call, "hangup-user")
    assert record.texts("bot") == ["I am the second."]


@pytest.mark.scenario("F18", carrier="twilio")
async def test_without_a_key_an_outbound_call_is_not_silent(setup: StartSetup) -> None:
    callee = Person(["Hello?"], hangs_up=HangsUp(after_hearing="again"))
    phone = await setup({"responseModel": "openai/gpt-4o-mini"}, people={CALLEE: callee})
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await phone.gateway.wait_state(call, "hangup-user")
    assert callee.texts() == ["Hello.", APOLOGY]


@pytest.mark.scenario("F101", carrier="twilio")
async def test_only_the_words_of_an_answer_are_spoken(setup: StartSetup) -> None:
    answer = (
        "<think>The user wants the weather.</think>\n"
        '```json\n{"spoken": "It is **sunny** today."}\n```\n'
    )
    callee = Person(["And the weather?"], hangs_up=HangsUp(after_hearing="sunny"))
    phone = await setup(people={CALLEE: callee}, script={"default": answer})
    call = await phone.gateway.initiate(CALLEE)
    await phone.gateway.wait_state(call, "hangup-user")
    assert callee.texts() == ["It is sunny today."]
