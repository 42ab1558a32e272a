"""The emulators' media sockets, against a gateway that is only a socket."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Final

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from openclaw_voice_call.audio import mulaw, tone_code
from tests.emulators.clock import Changes, Clock, Tasks
from tests.emulators.faults import FaultPlan
from tests.emulators.media import (
    ConnectTwice,
    Echo,
    Language,
    MediaRoom,
    MediaStream,
    NeverConnect,
    Shuffle,
    StartLate,
    StreamFault,
    StreamOrder,
    Talker,
    Unconnectable,
)
from tests.emulators.people import HangsUp, Person, Reply
from tests.emulators.plivo.media import PlivoLanguage
from tests.emulators.telnyx.calls import Call, Order
from tests.emulators.telnyx.media import StreamRequest, TelnyxLanguage
from tests.emulators.twilio.media import TwilioLanguage

SPEED: Final = 5.0
URL: Final = "wss://voice.example.com/voice/stream/a-pass"


class Said(msgspec.Struct):
    """A message of any company, as far as it is looked at."""

    event: str
    start: dict[str, object] = {}
    media: dict[str, object] = {}
    dtmf: dict[str, object] = {}
    mark: dict[str, object] = {}
    name: str = ""

    @property
    def reached(self) -> str:
        return self.name or str(self.mark.get("name", ""))


@dataclass
class Dialect:
    """What a gateway would write to one company."""

    language: Callable[[], Language]
    audio: Callable[[bytes], dict[str, object]]
    mark: Callable[[str], dict[str, object]]
    clear: dict[str, object]
    marks: str


def _payload(mulaw: bytes) -> dict[str, object]:
    return {"payload": b64encode(mulaw).decode()}


def _telnyx() -> Language:
    call = Call(Order("outgoing", "+15550001234", "+15550005678", "c", ""), Clock.wall())
    request = StreamRequest(URL, "rtp", "PCMU")
    return TelnyxLanguage("st-1", call, request)


DIALECTS: Final = {
    "twilio": Dialect(
        lambda: TwilioLanguage("MZ1", "CA1", "AC1", (("token", "t"),)),
        lambda mulaw: {"event": "media", "streamSid": "MZ1", "media": _payload(mulaw)},
        lambda name: {"event": "mark", "streamSid": "MZ1", "mark": {"name": name}},
        {"event": "clear", "streamSid": "MZ1"},
        "mark",
    ),
    "telnyx": Dialect(
        _telnyx,
        lambda mulaw: {"event": "media", "media": _payload(mulaw)},
        lambda name: {"event": "mark", "mark": {"name": name}},
        {"event": "clear"},
        "mark",
    ),
    "plivo": Dialect(
        lambda: PlivoLanguage("st-1", "call-1", "MA1", "token=t"),
        lambda mulaw: {
            "event": "playAudio",
            "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, **_payload(mulaw)},
        },
        lambda name: {"event": "checkpoint", "streamId": "st-1", "name": name},
        {"event": "clearAudio", "streamId": "st-1"},
        "playedStream",
    ),
}


@dataclass
class Gateway:
    """Takes sockets in, keeps what comes, and writes what a test wants."""

    changes: Changes
    refuses_with: int | None = None
    requests: list[Request] = field(default_factory=list[Request])
    sockets: list[ServerConnection] = field(default_factory=list[ServerConnection])
    said: list[Said] = field(default_factory=list[Said])

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self.refuses_with is None:
            return None
        return socket.respond(HTTPStatus(self.refuses_with), "")

    async def handle(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        try:
            async for message in socket:
                self.said.append(msgspec.json.decode(message, type=Said))
                self.changes.notify()
        except ConnectionClosed:
            return

    def events(self, kind: str) -> list[Said]:
        return [each for each in self.said if each.event == kind]

    async def write(self, *messages: dict[str, object]) -> None:
        for message in messages:
            await self.sockets[-1].send(json.dumps(message))

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        await self.changes.until(condition, lambda: what, 5.0)


@dataclass
class World:
    room: MediaRoom
    gateway: Gateway
    person: Person
    dialect: Dialect
    left: list[float] = field(default_factory=list[float])

    def open(self, url: str = URL) -> MediaStream:
        talker = Talker(self.person.join("call-1"), self.left.append)
        language = self.dialect.language()
        return self.room.open("call-1", "st-1", url, language, talker, {"X-Signed": "yes"})

    async def opened(self) -> MediaStream:
        self.open()
        return await self.room.wait_open("call-1")


@asynccontextmanager
async def world(
    carrier: str, person: Person | None = None, faults: Sequence[StreamFault] = ()
) -> AsyncGenerator[World]:
    changes = Changes()
    tasks, clock = Tasks(changes), Clock(SPEED)
    gateway = Gateway(changes)
    plan: FaultPlan[StreamOrder, StreamFault] = FaultPlan(Random(0))
    for fault in faults:
        plan.add(fault)
    async with serve(
        gateway.handle, "127.0.0.1", 0, compression=None, process_request=gateway.admit
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        origins = {"https://voice.example.com": f"http://127.0.0.1:{port}"}
        room = MediaRoom(clock, clock, tasks, changes, origins, {}, [], plan)
        try:
            yield World(room, gateway, person or Person(), DIALECTS[carrier])
        finally:
            await tasks.close()


each_company = pytest.mark.parametrize("carrier", DIALECTS)


@each_company
async def test_the_socket_is_opened_as_signed_and_begins_with_its_start(carrier: str) -> None:
    async with world(carrier) as here:
        stream = await here.opened()
        await here.gateway.until(lambda: bool(here.gateway.events("media")), "audio")
        [request] = here.gateway.requests
        assert request.path == "/voice/stream/a-pass"
        assert request.headers["Host"] == "voice.example.com"
        assert request.headers["X-Signed"] == "yes"
        first = [each.event for each in here.gateway.said]
        assert first[: first.index("media")] == (
            ["start"] if carrier == "plivo" else ["connected", "start"]
        )
        silence = here.gateway.events("media")[0].media
        assert b64decode(str(silence["payload"])) == b"\xff" * 160
        stream.stop()
        await stream.ended()
        assert (stream.ended_by, stream.close_code) == ("company", 1000)
        # Plivo's reference knows no such message.
        assert bool(here.gateway.events("stop")) == (carrier != "plivo")


@each_company
async def test_what_is_played_is_heard_and_told_of_in_its_time(carrier: str) -> None:
    async with world(carrier) as here:
        stream, dialect = await here.opened(), here.dialect
        sound = tone_code.encode("good morning")
        await here.gateway.write(dialect.audio(sound), dialect.mark("one"), dialect.mark("two"))
        await here.person.wait_heard("good morning")
        assert [each.reached for each in here.gateway.events(dialect.marks)] == ["one", "two"]
        assert [mark.played for mark in stream.out.marks] == [True, True]
        assert sound in stream.hear()
        assert here.room.violations == []


@each_company
async def test_what_is_cleared_is_not_heard_and_its_mark_comes_back(carrier: str) -> None:
    async with world(carrier) as here:
        stream, dialect = await here.opened(), here.dialect
        sound = tone_code.encode("this is a long and winding road")
        await here.gateway.write(dialect.audio(sound), dialect.mark("never"))
        await here.person.wait_heard("this is", complete=False)
        await here.gateway.write(dialect.clear)
        await here.gateway.until(lambda: bool(here.gateway.events(dialect.marks)), "the mark")
        await here.gateway.until(lambda: here.person.heard[0].finished is not None, "an end")
        assert "road" not in here.person.heard[0].text
        assert here.person.texts() == []
        [cleared] = stream.out.clears
        assert cleared.marks == ("never",)
        assert sound.endswith(cleared.dropped)
        assert bool(here.gateway.events("clearedAudio")) == (carrier == "plivo")


@each_company
async def test_a_person_answers_presses_keys_interrupts_and_leaves(carrier: str) -> None:
    person = Person(
        ["hello there", Reply(digits="4#"), Reply("stop", barges_in=True, after=0.6)],
        hangs_up=HangsUp(after_hearing="goodbye", delay=3.0),
    )
    async with world(carrier, person) as here:
        stream, dialect, gateway = await here.opened(), here.dialect, here.gateway

        def words() -> str:
            parts = (b64decode(str(each.media["payload"])) for each in gateway.events("media"))
            return tone_code.decode(b"".join(parts))

        await gateway.write(dialect.audio(tone_code.encode("who is there")))
        await gateway.until(lambda: words() == "hello there", "an answer")
        await gateway.write(dialect.audio(tone_code.encode("your number")))
        await gateway.until(lambda: len(gateway.events("dtmf")) == 2, "the keys")
        assert [each.dtmf["digit"] for each in gateway.events("dtmf")] == ["4", "#"]
        await gateway.write(dialect.audio(tone_code.encode("now I shall tell you a story")))
        await gateway.until(lambda: words() == "hello there stop", "an interruption")
        assert len(stream.onsets) == 2
        await person.wait_heard("story")
        await gateway.write(dialect.audio(tone_code.encode("goodbye")))
        await person.wait_heard("goodbye")
        assert here.left == [3.0]


@each_company
async def test_what_makes_no_sense_is_a_violation(carrier: str) -> None:
    async with world(carrier) as here:
        await here.opened()
        await here.gateway.write({"event": "sing"}, here.dialect.mark(""))
        await here.gateway.until(lambda: len(here.room.violations) == 2, "two violations")
        await here.gateway.sockets[-1].send(b"\x00")
        await here.gateway.until(lambda: len(here.room.violations) == 3, "a third violation")
        complaints = 3 if carrier == "telnyx" else 0
        await here.gateway.until(
            lambda: len(here.gateway.events("error")) == complaints, "complaints"
        )


async def test_who_ends_a_stream_is_known() -> None:
    async with world("twilio") as here:
        first = await here.opened()
        await here.gateway.sockets[-1].close(1008)
        await first.ended()
        assert (first.ended_by, first.close_code) == ("gateway", 1008)
        second = here.open()
        await here.room.wait_open("call-1", 2)
        second.drop()
        await second.ended()
        assert (second.ended_by, second.close_code) == ("network", 1006)


async def test_a_stream_may_not_come_about() -> None:
    async with world("twilio") as here:
        unknown = here.open("wss://elsewhere.example.com/voice/stream")
        assert not await unknown.connected()
        assert unknown.state == "over"
        assert here.gateway.requests == []
    for fault in (NeverConnect(), Unconnectable()):
        async with world("twilio", faults=[fault]) as here:
            stream = here.open()
            stream.stop()
            assert not await stream.connected()
            assert here.gateway.requests == []


async def test_a_start_may_come_late_and_a_socket_twice() -> None:
    async with world("twilio", faults=[StartLate(1.0), ConnectTwice()]) as here:
        stream = await here.opened()
        assert stream.started_at is not None
        await here.gateway.until(lambda: len(here.gateway.sockets) == 2, "a second socket")
        await here.gateway.sockets[1].close(1008)
        await here.gateway.until(lambda: bool(stream.twins), "what became of it")
        assert stream.twins[0].code == 1008


async def test_frames_may_come_in_disorder_with_their_numbers() -> None:
    async with world("telnyx", faults=[Shuffle()]) as here:
        await here.opened()
        await here.gateway.until(lambda: len(here.gateway.events("media")) > 4, "frames")
        numbers = [each.media["chunk"] for each in here.gateway.events("media")[:4]]
        assert numbers == ["2", "1", "4", "3"]


async def test_what_is_heard_may_come_back_later_and_quieter() -> None:
    async with world("twilio", faults=[Echo(gain_db=-20.0, seconds=0.1)]) as here:
        await here.opened()
        sound = tone_code.encode("good morning")
        await here.gateway.write(here.dialect.audio(sound))
        await here.person.wait_heard("good morning")
        told = (b64decode(str(each.media["payload"])) for each in here.gateway.events("media"))
        back = b"".join(told)
        assert tone_code.decode(back) == "good morning"
        assert max(map(mulaw.level_dbfs, _frames(back))) == pytest.approx(
            max(map(mulaw.level_dbfs, _frames(sound))) - 20.0, abs=0.5
        )


def _frames(sound: bytes) -> list[bytes]:
    return [sound[begin : begin + 160] for begin in range(0, len(sound), 160)]


async def test_a_refused_upgrade_is_told_of() -> None:
    async with world("plivo") as here:
        here.gateway.refuses_with = 403
        stream = here.open()
        assert not await stream.connected()
        assert (stream.status, stream.error) == (403, "HTTP status 403")
        assert (await here.room.knock(URL, ["hello"])).status == 403
