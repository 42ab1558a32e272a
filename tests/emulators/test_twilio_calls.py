"""What the Twilio emulator does with documents, and what its people do and hear."""

from itertools import pairwise

import pytest
from aiohttp import web

from tests.emulators.gateway_double import (
    EVENTS,
    HELLO,
    THEM,
    US,
    WAIT,
    WebhookApp,
    dial,
    emulator,
    update,
)
from tests.emulators.media import NeverConnect
from tests.emulators.twilio import APOLOGY, HangsUp, Person, Reply

ASK = (
    '<Response><Gather input="dtmf speech" action="/heard" timeout="5" speechTimeout="1" {more}>'
    "<Say>one two three four five six seven eight nine ten</Say></Gather>"
    '<Redirect method="POST">/silence</Redirect></Response>'
)
BYE = "<Response><Say>bye</Say><Hangup/></Response>"


async def test_a_conversation_is_heard_in_order_and_answered_turn_by_turn(app: WebhookApp) -> None:
    app.answer("/heard", ASK.format(more=""), BYE)
    url = app.answer("/voice", f"<Response><Say>welcome</Say>{ASK.format(more='')[10:]}")
    them = Person(["first answer", Reply("second answer", confidence=None)])
    async with emulator(app, them) as twilio:
        await dial(twilio, Url=url)
        await twilio.wait_idle()
        assert twilio.violations == []
        assert twilio.calls[0].ended_by == "document"
    prompt = "one two three four five six seven eight nine ten"
    assert them.texts() == ["welcome", prompt, prompt, "bye"]
    first, second = app.at("/heard")
    assert (first.form["SpeechResult"], first.form["Confidence"]) == ("first answer", "0.93")
    assert second.form["SpeechResult"] == "second answer"
    assert "Confidence" not in second.form
    spans = [(item.started, item.finished or 0.0) for item in them.heard]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert spans[1][1] - spans[1][0] >= 3.9, "ten words take four seconds"


async def test_without_input_the_action_is_not_called_and_the_document_goes_on(
    app: WebhookApp,
) -> None:
    app.answer("/silence", ASK.format(more='actionOnEmptyResult="true"'))
    app.answer("/heard", BYE)
    async with emulator(app) as twilio:
        await dial(twilio, Url=app.answer("/voice", ASK.format(more="")))
        await twilio.wait_idle()
    assert [seen.path for seen in app.seen] == ["/voice", "/silence", "/heard"]
    assert app.at("/heard")[0].form["SpeechResult"] == ""


@pytest.mark.parametrize(("barge_in", "heard"), [("true", 1), ("false", 0)])
async def test_speech_during_the_prompt_cuts_it_only_where_that_is_allowed(
    app: WebhookApp, barge_in: str, heard: int
) -> None:
    app.answer("/heard", BYE)
    app.answer("/silence", BYE)
    them = Person([Reply("stop", after=1.0, barges_in=True)])
    async with emulator(app, them, speed=20) as twilio:
        await dial(twilio, Url=app.answer("/voice", ASK.format(more=f'bargeIn="{barge_in}"')))
        await twilio.wait_idle()
    prompt = them.heard[0]
    assert prompt.complete is not bool(heard)
    assert len(prompt.words.split()) in (range(1, 9) if heard else [10])
    assert len(app.at("/heard")) == heard


@pytest.mark.parametrize(
    ("pressed", "attributes", "digits"),
    [
        ("12#34", "", "12"),
        ("1234", 'numDigits="3"', "123"),
        ("12", "", "12"),
        ("12#", 'finishOnKey=""', "12#"),
        ("#", "", None),
    ],
)
async def test_keys_end_by_number_by_key_or_by_time(
    app: WebhookApp, pressed: str, attributes: str, digits: str | None
) -> None:
    app.answer("/heard", BYE)
    app.answer("/silence", BYE)
    them = Person([Reply(digits=pressed, barges_in=True)])
    async with emulator(app, them) as twilio:
        await dial(twilio, Url=app.answer("/voice", ASK.format(more=attributes)))
        await twilio.wait_idle()
    assert [seen.form["Digits"] for seen in app.at("/heard")] == ([digits] if digits else [])


@pytest.mark.parametrize(
    ("person", "status", "sip", "steps"),
    [
        (Person(outcome="busy"), "busy", "486", ["initiated", "ringing", "busy"]),
        (Person(outcome="declines"), "busy", "603", ["initiated", "ringing", "busy"]),
        (Person(outcome="failed"), "failed", "404", ["initiated", "failed"]),
        (Person(answers_after=None), "no-answer", "487", ["initiated", "ringing", "no-answer"]),
        (Person(answers_after=21), "no-answer", "487", ["initiated", "ringing", "no-answer"]),
    ],
)
async def test_calls_that_are_not_answered(
    app: WebhookApp, person: Person, status: str, sip: str, steps: list[str]
) -> None:
    callback = app.origin + "/status"
    async with emulator(app, person) as twilio:
        await dial(
            twilio, Twiml=HELLO, Timeout="20", StatusCallback=callback, StatusCallbackEvent=EVENTS
        )
        await twilio.wait_idle()
        assert twilio.calls[0].status == status
    forms = sorted((seen.form for seen in app.seen), key=lambda form: form["SequenceNumber"])
    assert [form["CallStatus"] for form in forms] == steps
    assert forms[-1]["SipResponseCode"] == sip
    assert forms[-1]["CallDuration"] == "0"
    assert person.heard == []


async def test_an_inbound_call_is_answered_unless_rejected_first(app: WebhookApp) -> None:
    app.answer("/in", '<Response><Reject reason="busy"/></Response>', HELLO)
    async with emulator(app) as twilio:
        refused, welcome = Person(), Person()
        twilio.call_in("anonymous", US, refused)
        await twilio.wait_idle()
        twilio.call_in(None, US, welcome)
        await welcome.wait_heard("hello")
        await twilio.wait_idle()
        assert [call.status for call in twilio.calls] == ["busy", "completed"]
        assert twilio.violations == []
    assert refused.heard == []
    first, second = app.at("/in")
    assert (first.form["From"], first.form["CallStatus"]) == ("anonymous", "ringing")
    assert "From" not in second.form
    assert [seen.form["CallStatus"] for seen in app.at("/ended")] == ["busy", "completed"]
    assert "SequenceNumber" not in app.at("/ended")[0].form


@pytest.mark.parametrize(
    "document",
    [
        "<Response><say>hello</say></Response>",
        '<Response><Say mood="happy">hello</Say></Response>',
        "<Response><Gather><Redirect>/x</Redirect></Gather></Response>",
        "<Response><Pause>3</Pause></Response>",
        '<Response><Pause length="1.5"/></Response>',
        "<Response><Say></Say></Response>",
        f"<Response><Say>{'x' * 4097}</Say></Response>",
        '<Response><Gather input="voice"/></Response>',
        '<Response><Gather speechTimeout="auto" speechModel="phone_call"/></Response>',
        "<Response><Say>hello</Say><Reject/></Response>",
        '<Response><Connect><Stream url="wss://a.example/s?token=1"/></Connect></Response>',
        "<Response><Dial>+15550009999</Dial></Response>",
    ],
)
async def test_markup_that_twilio_does_not_know_is_a_violation(
    app: WebhookApp, document: str
) -> None:
    async with emulator(app, Person(hangs_up=HangsUp(after_seconds=30))) as twilio:
        await dial(twilio, Url=app.answer("/voice", document))
        await twilio.wait_idle()
        assert len(twilio.violations) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("this is not XML", 12100),
        ("<Reply/>", 12100),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><Response>&b;</Response>", 12100),
        (web.Response(status=500, text="oops"), 11200),
        (web.Response(text="{}", content_type="application/json"), 12300),
    ],
)
@pytest.mark.parametrize("with_fallback", [True, False])
async def test_a_useless_answer_leads_to_the_fallback_or_to_an_apology(
    app: WebhookApp, answer: str | web.Response, code: int, *, with_fallback: bool
) -> None:
    url = app.answer("/voice", answer)
    fallback = app.answer("/fallback", BYE)
    them = Person()
    async with emulator(app, them) as twilio:
        await dial(twilio, Url=url, FallbackUrl=fallback if with_fallback else [])
        await twilio.wait_idle()
        assert [alert.code for alert in twilio.alerts] == [code]
    assert [item.text for item in them.heard] == ["bye" if with_fallback else APOLOGY]
    if with_fallback:
        form = app.at("/fallback")[0].form
        assert (form["ErrorCode"], form["ErrorUrl"]) == (str(code), url)


@pytest.mark.parametrize("document", ["<Response/>", web.Response(status=204)])
async def test_an_empty_document_hangs_up(app: WebhookApp, document: str | web.Response) -> None:
    async with emulator(app) as twilio:
        await dial(twilio, Url=app.answer("/voice", document))
        await twilio.wait_idle()
        assert (twilio.calls[0].status, twilio.alerts) == ("completed", [])


async def test_an_update_cuts_what_is_said_and_ends_a_stream(app: WebhookApp) -> None:
    long = "<Response><Say>" + "word " * 800 + "</Say></Response>"
    stream = (
        '<Response><Connect><Stream url="wss://voice.example.com/s" name="a">'
        '<Parameter name="token" value="t"/></Stream></Connect><Say>after</Say></Response>'
    )
    them = Person()
    async with emulator(app, them) as twilio:
        # What becomes of the sockets is not this test's.
        twilio.faults.streams.add(NeverConnect())
        sid = await dial(twilio, Url=app.answer("/voice", long))
        await them.wait_heard("word", complete=False)
        assert (await update(twilio, sid, Twiml=stream))[0] == 200
        await twilio.until(lambda: len(twilio.call(sid).streams) == 1, "a stream")
        assert twilio.call(sid).streams[0].order.url == "wss://voice.example.com/s"
        digits = '<Response><Play digits="1ww2#"/><Pause length="600"/></Response>'
        await update(twilio, sid, Twiml=digits)
        await them.wait_heard("1ww2#")
        await update(twilio, sid, Twiml=stream)
        await twilio.until(lambda: len(twilio.call(sid).streams) == 2, "a second stream")
        twilio.call(sid).streams[1].stop()
        await them.wait_heard("after")
        await twilio.wait_idle()
        assert twilio.violations == []
    assert [(item.kind, item.complete) for item in them.heard] == [
        ("say", False), ("digits", True), ("say", True)
    ]  # fmt: skip
    assert len(them.heard[0].words.split()) < 800


@pytest.mark.parametrize(
    ("habits", "complete", "paths"),
    [
        (HangsUp(during="nine"), [False], ["/voice"]),
        (HangsUp(after_hearing="nine", delay=0.1), [True], ["/voice"]),
        (HangsUp(after_seconds=3.0), [False], ["/voice"]),
        (HangsUp(after_gather=1), [True], ["/voice", "/heard"]),
    ],
)
async def test_people_hang_up_when_they_like(
    app: WebhookApp, habits: HangsUp, complete: list[bool], paths: list[str]
) -> None:
    app.answer("/heard", WAIT)
    them = Person([Reply("yes", after=2.0)], hangs_up=habits)
    async with emulator(app, them, speed=20) as twilio:
        await dial(twilio, Url=app.answer("/voice", ASK.format(more="")))
        await twilio.wait_idle()
        assert (twilio.calls[0].status, twilio.calls[0].ended_by) == ("completed", "person")
    assert [item.complete for item in them.heard] == complete
    assert [seen.path for seen in app.seen] == paths


async def test_a_test_can_act_for_a_person_and_replies_can_wait_for_words(app: WebhookApp) -> None:
    app.answer("/heard", ASK.format(more=""))
    app.answer("/silence", ASK.format(more=""), ASK.format(more="").replace("ten", "eleven"))
    them = Person([Reply("now", when="eleven")])
    async with emulator(app, them) as twilio:
        await dial(twilio, Url=app.answer("/voice", ASK.format(more="")))
        await them.wait_heard("one", complete=False)
        them.speak("by hand")
        await twilio.until(lambda: len(app.at("/heard")) == 2, "two turns")
        twilio.hang_up(twilio.calls[0].sid)
        await twilio.wait_idle()
    assert [s.form["SpeechResult"] for s in app.at("/heard")] == ["by hand", "now"]
    assert any(text.endswith("eleven") for text in them.texts())


@pytest.mark.parametrize(
    ("person", "verdict"),
    [(Person.voicemail("leave a message", records=3), "machine_start"), (Person(), "human")],
)
async def test_machine_detection_delays_the_first_document(
    app: WebhookApp, person: Person, verdict: str
) -> None:
    async with emulator(app, person) as twilio:
        await dial(twilio, Url=app.answer("/voice", HELLO), MachineDetection="Enable")
        await twilio.wait_idle()
    answered_by = [seen.form["AnsweredBy"] for seen in app.at("/voice")]
    # The mailbox of this test gives up before the verdict, so nothing is fetched for it.
    assert answered_by == ([verdict] if verdict == "human" else [])


async def test_a_time_limit_ends_the_call(app: WebhookApp) -> None:
    async with emulator(app) as twilio:
        await dial(twilio, Twiml=WAIT, TimeLimit="5", StatusCallback=app.origin + "/status")
        await twilio.wait_idle()
        assert twilio.calls[0].ended_by == "limit"
    assert int(app.at("/status")[0].form["CallDuration"]) >= 5
    assert app.at("/status")[0].form["To"] == THEM


async def test_a_caller_may_give_up_before_the_answer(app: WebhookApp) -> None:
    app.answer("/in", web.Response(status=503))
    async with emulator(app) as twilio:
        twilio.hold_webhooks()
        call = twilio.call_in(THEM, US, Person())
        await twilio.wait_for(call.sid, "ringing")
        twilio.hang_up(call.sid)
        twilio.release_webhooks()
        await twilio.wait_idle()
        assert call.reached == ["queued", "ringing", "no-answer"]
    assert app.at("/ended")[0].form["CallStatus"] == "no-answer"
