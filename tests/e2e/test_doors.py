"""The owner's doors while the gateway runs, and while none does."""

import json
import socket

import pytest

from openclaw.errors import RpcFailed
from tests.e2e.conftest import CALLEE, Setup, StartSetup
from tests.e2e.gateway import CallView, Finished, free_port
from tests.emulators.twilio import Person, Reply


def can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def worked(phone: Setup, *args: str) -> Finished:
    """A verb that must succeed."""
    done = await phone.gateway.voicecall(*args)
    assert done.code == 0, (args, done)
    assert "EADDRINUSE" not in done.out + done.err
    return done


@pytest.mark.scenario("F73", "F76", carrier="twilio")
async def test_every_verb_works_beside_the_gateway(setup: StartSetup) -> None:
    callee = Person(["Hello?", Reply("Blue.", when="colour")])
    phone = await setup(people={CALLEE: callee}, script={"default": "How can I help?"})
    placed = await worked(phone, "call", "--to", CALLEE, "--message", "Hello there.")
    call = str(placed.json["callId"])
    await callee.wait_heard("How can I help?")
    asked = await worked(phone, "continue", "--call-id", call, "--message", "Which colour?")
    assert asked.json["transcript"] == "Blue."
    said = await worked(phone, "speak", "--call-id", call, "--message", "A fine one.", "--wait")
    assert said.json["success"] is True
    assert "A fine one." in callee.texts()
    sent = await worked(phone, "dtmf", "--call-id", call, "--digits", "5")
    assert sent.json["success"] is True
    shown = await worked(phone, "status", "--call-id", call, "--json")
    assert shown.json["callId"] == call
    listed = await worked(phone, "status", "--json")
    assert len(list(json.loads(listed.out)["calls"])) == 1
    masked = await worked(phone, "status", "--mask")
    assert CALLEE not in masked.out
    ended = await worked(phone, "end", "--call-id", call)
    assert ended.json["success"] is True
    await phone.gateway.wait_call(call, lambda view: view.ended_at > 0)
    followed = await phone.gateway.cli_until("A fine one.", "voicecall", "tail", "--since", "999")
    assert "Which colour?" in followed.out
    await worked(phone, "latency")
    started = await worked(phone, "start", "--to", CALLEE, "--mode", "conversation")
    await worked(phone, "end", "--call-id", str(started.json["callId"]), "--now")
    for plain in (("status",), ("health",), ("gateway", "status"), ("plugins", "list")):
        assert (await phone.gateway.cli(*plain)).code == 0


@pytest.mark.scenario("F73", carrier="twilio")
async def test_the_agents_tool_and_rpc_share_the_same_calls(setup: StartSetup) -> None:
    callee = Person([Reply("Green.", when="colour")])
    phone = await setup(people={CALLEE: callee})
    gateway = phone.gateway

    async def use(**arguments: object) -> dict[str, object]:
        body = await gateway.invoke_tool("voice_call", **arguments)
        assert body["ok"] is True, body
        result = body["result"]
        assert isinstance(result, dict)
        return json.loads(json.dumps(result["details"]))

    placed = await use(action="initiate_call", to=CALLEE, message="Hello.", mode="conversation")
    call = str(placed["callId"])
    await gateway.wait_state(call, "listening")
    assert (await use(action="speak_to_user", callId=call, message="One."))["success"] is True
    answer = await use(action="continue_call", callId=call, message="Which colour?")
    assert answer["transcript"] == "Green."
    assert (await use(action="send_dtmf", callId=call, digits="1"))["success"] is True
    found = await use(action="get_status", callId=call)
    assert found["found"] is True
    assert (await gateway.status(call)).call_id == call
    assert (await use(action="end_call", callId=call))["success"] is True
    again = await use(action="end_call", callId=call)
    assert "call is not active" in str(again["error"])


@pytest.mark.scenario("F74", carrier="twilio")
async def test_without_a_gateway_verbs_say_so_and_start_nothing(setup: StartSetup) -> None:
    phone = await setup(start=False)
    await phone.gateway.start()
    await phone.gateway.stop()
    for verb in (
        ("call", "--to", CALLEE, "--message", "Hi"),
        ("start", "--to", CALLEE),
        ("continue", "--call-id", "x", "--message", "Hi"),
        ("speak", "--call-id", "x", "--message", "Hi"),
        ("dtmf", "--call-id", "x", "--digits", "1"),
        ("end", "--call-id", "x"),
    ):
        done = await phone.gateway.voicecall(*verb)
        assert done.code == 1
        assert done.out == ""
        assert "no gateway is running" in done.err
        assert "openclaw gateway run" in done.err
    assert can_bind(phone.webhook_port)
    assert can_bind(phone.gateway.port)
    # The journal can be read all the same.
    assert (await phone.gateway.voicecall("status")).code == 0
    assert list(phone.twilio.requests) == []


@pytest.mark.scenario("F77", carrier="twilio")
async def test_a_wrong_request_names_what_is_wrong(setup: StartSetup) -> None:
    phone = await setup()
    cases: list[tuple[str, dict[str, object], str]] = [
        ("voicecall.initiate", {"to": CALLEE}, "message required"),
        ("voicecall.initiate", {"message": "Hi"}, "to required"),
        ("voicecall.initiate", {"message": "Hi", "to": "5550005678"}, "to must be a phone number"),
        ("voicecall.start", {}, "to required"),
        ("voicecall.speak", {"callId": "x"}, "callId and message required"),
        ("voicecall.speak", {"callId": "x", "message": "Hi"}, "Call not found"),
        ("voicecall.continue", {"message": "Hi"}, "callId and message required"),
        ("voicecall.continue.result", {}, "operationId required"),
        ("voicecall.continue.result", {"operationId": "x"}, "operation not found"),
        ("voicecall.dtmf", {"callId": "x"}, "callId and digits required"),
        ("voicecall.end", {}, "callId required"),
        ("voicecall.end", {"callId": "x"}, "Call not found"),
    ]
    for method, params, words in cases:
        with pytest.raises(RpcFailed) as failed:
            await phone.gateway.rpc(method, **params)
        assert words in failed.value.message, method
        assert failed.value.code == "INVALID_REQUEST"


@pytest.mark.scenario("F77", "F79", carrier="twilio")
async def test_a_broken_section_is_told_at_every_door_and_stops_nothing_else(
    setup: StartSetup,
) -> None:
    phone = await setup({"fromNumber": "5550001234", "bogus": True}, start=False)
    gateway = phone.gateway
    await gateway.start(ready=False)
    assert await gateway.readiness() == 503
    base = "plugins.entries.voice-call.config"
    for key in ("fromNumber", "bogus"):
        await gateway.wait_log(f"{base}.{key}")
    by_command = await gateway.voicecall("call", "--to", CALLEE, "--message", "Hi")
    with pytest.raises(RpcFailed) as by_rpc:
        await gateway.initiate(CALLEE, "Hi")
    by_tool = await gateway.invoke_tool(
        "voice_call", action="initiate_call", to=CALLEE, message="Hi"
    )
    for told in (by_command.err, by_rpc.value.message, json.dumps(by_tool)):
        assert f"{base}.fromNumber" in told
        assert f"{base}.bogus" in told
    assert by_command.code == 1
    assert (await gateway.cli("health")).code == 0
    assert can_bind(phone.webhook_port)


@pytest.mark.scenario("F79", carrier="twilio")
async def test_missing_credentials_are_listed_at_every_door(setup: StartSetup) -> None:
    phone = await setup({"twilio": {}, "fromNumber": None}, start=False)
    gateway = phone.gateway
    await gateway.start(ready=False)
    base = "plugins.entries.voice-call.config"
    with pytest.raises(RpcFailed) as failed:
        await gateway.initiate(CALLEE, "Hi")
    for key, variable in (
        ("twilio.accountSid", "TWILIO_ACCOUNT_SID"),
        ("twilio.authToken", "TWILIO_AUTH_TOKEN"),
        ("fromNumber", "TWILIO_FROM_NUMBER"),
    ):
        assert f"{base}.{key} is required (or set {variable} env)" in failed.value.message
    command = await gateway.voicecall("call", "--to", CALLEE, "--message", "Hi")
    assert f"{base}.twilio.authToken is required" in command.err


async def test_a_taken_webhook_port_is_told_and_the_gateway_runs_on(setup: StartSetup) -> None:
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        phone = await setup({"serve": {"port": port}}, start=False)
        await phone.gateway.start(ready=False)
        with pytest.raises(RpcFailed, match=f"127.0.0.1:{port}"):
            await phone.gateway.initiate(CALLEE, "Hi")
        assert (await phone.gateway.cli("health")).code == 0


async def test_a_second_gateway_refuses_to_start(setup: StartSetup) -> None:
    phone = await setup()
    second = await phone.gateway.cli("gateway", "run")
    assert second.code == 1
    assert "already" in second.err
    assert await phone.gateway.readiness() == 200


def test_the_view_has_the_originals_names() -> None:
    """Scripts read these."""
    fields = set(CallView.__struct_encode_fields__)
    assert {"callId", "providerCallId", "startedAt", "endReason", "transcript", "from"} <= fields
