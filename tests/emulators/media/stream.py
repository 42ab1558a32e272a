"""A company's end of one media stream."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from openclaw_voice_call.audio import mulaw
from tests.emulators.clock import Changes, Clock
from tests.emulators.media.faults import (
    Echo,
    NeverConnect,
    Shuffle,
    StartLate,
    StreamFault,
    StreamOrder,
    Unconnectable,
)
from tests.emulators.media.language import Clear, Language, Mark, NotUnderstood, Order, Play
from tests.emulators.media.playout import FRAME_SECONDS, SILENCE, PlayOut
from tests.emulators.media.talker import SAID_FRAMES, Talker

CONNECT_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 2.0
"""Real seconds for the handshakes at both ends."""


@dataclass
class Knock:
    """A socket that was opened for the sake of what becomes of it."""

    status: int | None = None
    """The HTTP status, where the upgrade was refused."""
    code: int | None = None
    """With which the gateway closed the socket."""
    received: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Way:
    """How a stream's URL is reached: `uri` says what the host is called, `host` and `port` where
    it is."""

    uri: str
    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def to(cls, public: str, local: str, headers: Mapping[str, str]) -> "Way":
        """The path is that of the local URL, as a proxy may map it; the name is the public one."""
        there, here = urlsplit(public), urlsplit(local)
        assert here.hostname is not None
        uri = here._replace(scheme="ws", netloc=there.netloc, fragment="").geturl()
        return cls(uri, here.hostname, here.port or 80, headers)

    def open(self) -> connect:
        return connect(
            self.uri,
            host=self.host,
            port=self.port,
            additional_headers=dict(self.headers),
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=CONNECT_SECONDS,
            close_timeout=CLOSE_SECONDS,
            user_agent_header=None,
            proxy=None,
        )


async def knock(
    way: Way,
    messages: Sequence[str | bytes] = (),
    enough: Callable[[str], bool] = lambda _: False,
    within: float = 10.0,
) -> Knock:
    """Open a socket, send these messages, and wait for the gateway to close it, or for a message
    of its that is `enough`.

    Raises:
        TimeoutError: it did not within this many real seconds.
    """
    found = Knock()
    try:
        async with asyncio.timeout(within), way.open() as socket:
            try:
                for message in messages:
                    await socket.send(message)
                async for message in socket:
                    found.received.append(str(message))
                    if enough(found.received[-1]):
                        await socket.close()
            except ConnectionClosed:
                pass
            found.code = socket.close_code
    except InvalidStatus as refusal:
        found.status = refusal.response.status_code
    return found


class MediaStream:
    """One stream of a call: asked for, open, over. Times are seconds of the media clock."""

    def __init__(
        self,
        name: str,
        order: StreamOrder,
        language: Language,
        talker: Talker,
        *,
        clock: Clock,
        line_clock: Clock,
        changes: Changes,
        faults: Sequence[StreamFault],
        on_key: Callable[[str], None],
        problem: Callable[[str], None],
    ) -> None:
        """`problem` is told what the gateway has sent that makes no sense."""
        self.name = name
        self.order = order
        self.state: Literal["asked for", "open", "over"] = "asked for"
        self.error = ""
        """Why there was no connection."""
        self.status: int | None = None
        """The HTTP status, where the upgrade was refused."""
        self.ended_by: Literal["", "company", "gateway", "network"] = ""
        self.close_code: int | None = None
        self.started_at: float | None = None
        """When the start message was sent."""
        self.out = PlayOut()
        self.keys: list[str] = []
        """The other party's keys that were told."""
        self.onsets: list[float] = []
        """When the other party began to speak, after they had not."""
        self.muted = False
        """While True no audio is sent, not even silence."""
        self.twins: list[Knock] = []
        """What became of further sockets with the same URL."""
        self._language = language
        self._talker = talker
        self._clock = clock
        self._line_clock = line_clock
        self._changes = changes
        self._faults = faults
        self._on_key = on_key
        self._problem = problem
        self._socket: ClientConnection | None = None
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self._over = asyncio.Event()
        self._held_back: str | None = None
        self._silent = SAID_FRAMES
        self._on_the_way: deque[bytes] = deque()

    # --- what tests do and ask

    def speak(self, sound: bytes) -> None:
        """The other party makes this sound (mu-law), after what they are saying."""
        self._talker.say(sound)

    def press(self, keys: str) -> None:
        """The other party presses these keys."""
        self._talker.press(keys)

    def hear(self) -> bytes:
        """All that the other party has heard on this stream, silence included."""
        return self.out.heard

    def stop(self) -> None:
        """End it as the company does when the call ends or goes another way."""
        self._stopping.set()

    def drop(self) -> None:
        """Cut the connection, as networks do: no message, no closing handshake."""
        assert self._socket is not None
        self.ended_by = "network"
        self._socket.transport.abort()

    async def send(self, message: str | bytes) -> None:
        """Send anything at all."""
        assert self._socket is not None
        await self._socket.send(message)

    async def start_again(self) -> None:
        """Say once more what is said when a stream begins."""
        for message in self._language.opening():
            await self.send(message)

    async def connected(self) -> bool:
        """Wait until it is open, or is known not to become so."""
        await self._settled.wait()
        return not self.error

    async def ended(self) -> None:
        await self._over.wait()

    # --- what it does

    async def run(self, way: Way | None) -> None:
        """From the order to the end; `way` None: nobody knows where that URL leads."""
        try:
            if any(isinstance(each, NeverConnect) for each in self._faults):
                await self._stopping.wait()
                self.error = "never tried"
                return
            if way is None or any(isinstance(each, Unconnectable) for each in self._faults):
                self.error = "no route to the host"
                return
            try:
                socket = await way.open()
            except InvalidStatus as refusal:
                self.status = refusal.response.status_code
                self.error = f"HTTP status {self.status}"
            except (OSError, TimeoutError, InvalidHandshake) as error:
                self.error = f"no connection ({type(error).__name__})"
            else:
                await self._hold(socket)
        finally:
            self._end()

    async def _hold(self, socket: ClientConnection) -> None:
        self._socket, self.state = socket, "open"
        self._settled.set()
        self._changes.notify()
        try:
            async with asyncio.TaskGroup() as group:
                ends = [
                    group.create_task(self._obey(socket)),
                    group.create_task(self._talk(socket)),
                ]
                stopping = group.create_task(self._stopping.wait())
                await asyncio.wait([*ends, stopping], return_when=asyncio.FIRST_COMPLETED)
                for task in (*ends, stopping):
                    task.cancel()
            if self._stopping.is_set() and not self.ended_by:
                self.ended_by = "company"
                await self._say_goodbye(socket)
        finally:
            self.ended_by = self.ended_by or "gateway"
            # The closing handshake has been, or must not be.
            socket.transport.abort()
            await socket.wait_closed()
            self.close_code = socket.close_code

    async def _stopped(self) -> None:
        await self._stopping.wait()

    async def _say_goodbye(self, socket: ClientConnection) -> None:
        try:
            if goodbye := self._language.stop():
                await socket.send(goodbye)
            await socket.close()
        except ConnectionClosed:
            return

    async def _obey(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                try:
                    if isinstance(message, bytes):
                        raise NotUnderstood("a binary message")
                    await self._take(socket, self._language.read(message))
                except NotUnderstood as problem:
                    self._problem(str(problem))
                    if complaint := self._language.complaint(str(problem)):
                        await socket.send(complaint)
                self._changes.notify()
        except ConnectionClosed:
            return

    async def _take(self, socket: ClientConnection, order: Order) -> None:
        now = self._clock.now()
        match order:
            case Play(sound):
                self.out.play(sound, now)
                if self.out.lost:
                    raise NotUnderstood("more audio than the buffer takes")
            case Mark(name):
                if self.out.mark(name, now):
                    await socket.send(self._language.reached(name))
            case Clear():
                for name in self.out.clear(now):
                    await socket.send(self._language.reached(name))
                if self.out.clears[-1].dropped:
                    self._talker.cut_off()
                if cleared := self._language.cleared():
                    await socket.send(cleared)

    async def _talk(self, socket: ClientConnection) -> None:
        try:
            for fault in self._faults:
                if isinstance(fault, StartLate):
                    await self._clock.sleep(fault.seconds)
            for message in self._language.opening():
                await socket.send(message)
            began = self.started_at = self._clock.now()
            self._talker.join()
            self._changes.notify()
            frames = 0
            while True:
                await self._frame(socket, frames * FRAME_SECONDS)
                frames += 1
                # Frames are counted, so that a machine that was busy makes up for it.
                await self._clock.sleep(began + frames * FRAME_SECONDS - self._clock.now())
        except ConnectionClosed:
            # Who closed it is seen where it is read.
            await self._over.wait()

    async def _frame(self, socket: ClientConnection, at: float) -> None:
        heard, reached = self.out.frame(self._clock.now())
        for name in reached:
            await socket.send(self._language.reached(name))
        said, key = self._talker.frame(heard, self._line_clock.now())
        if not said.strip(SILENCE):
            self._silent += 1
        else:
            if self._silent >= SAID_FRAMES:
                self.onsets.append(self._clock.now())
            self._silent = 0
        if key:
            self.keys.append(key)
            await socket.send(self._language.key(key, at))
            self._on_key(key)
        if not self.muted:
            sound = self._with_echo(said, heard)
            await self._send_audio(socket, self._language.audio(sound, at))
        if reached or key:
            self._changes.notify()

    def _with_echo(self, said: bytes, heard: bytes) -> bytes:
        for fault in self._faults:
            if isinstance(fault, Echo):
                self._on_the_way.append(mulaw.amplify(heard, fault.gain_db))
                if len(self._on_the_way) > fault.seconds / FRAME_SECONDS:
                    said = mulaw.mix(said, self._on_the_way.popleft())
        return said

    async def _send_audio(self, socket: ClientConnection, message: str) -> None:
        if not any(isinstance(each, Shuffle) for each in self._faults):
            await socket.send(message)
        elif self._held_back is None:
            self._held_back = message
        else:
            earlier, self._held_back = self._held_back, None
            await socket.send(message)
            await socket.send(earlier)

    def _end(self) -> None:
        self.state = "over"
        self._talker.part(self._line_clock.now(), cut=self.out.buffered_seconds > 0)
        self._settled.set()
        self._over.set()
        self._changes.notify()
