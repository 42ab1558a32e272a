"""All media streams of one company."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.emulators.clock import Changes, Clock, Tasks
from tests.emulators.faults import FaultPlan
from tests.emulators.media.faults import ConnectTwice, StreamFault, StreamOrder
from tests.emulators.media.language import Language
from tests.emulators.media.stream import Knock, MediaStream, Way, knock
from tests.emulators.media.talker import Talker
from tests.emulators.origins import local_url


@dataclass
class MediaRoom:
    """Opens streams and keeps them.

    Args:
        clock: of the audio: 20 ms of sound take 20 ms of it. May be replaced while no stream is
            open. `line_clock` is that of the calls.
    """

    clock: Clock
    line_clock: Clock
    tasks: Tasks
    changes: Changes
    origins: Mapping[str, str]
    proxy_headers: Mapping[str, str]
    violations: list[str]
    faults: FaultPlan[StreamOrder, StreamFault]
    streams: list[MediaStream] = field(default_factory=list[MediaStream])
    """Oldest first."""

    def open(
        self,
        call_id: str,
        name: str,
        url: str,
        language: Language,
        talker: Talker,
        headers: Mapping[str, str] | None = None,
        on_key: Callable[[str], None] = lambda _: None,
    ) -> MediaStream:
        """Begin to open a stream, whose start message will have `name` as the stream's.

        Args:
            headers: of the upgrade, such as its signature.
            on_key: told of each key that was pressed.
        """
        order = StreamOrder(call_id, len(self.of(call_id)) + 1, url)
        faults = self.faults.strike(order)
        stream = MediaStream(
            name,
            order,
            language,
            talker,
            clock=self.clock,
            line_clock=self.line_clock,
            changes=self.changes,
            faults=faults,
            on_key=on_key,
            problem=lambda text: self.violations.append(f"{call_id}: stream: {text}"),
        )
        self.streams.append(stream)
        way = self._way(url, headers or {})
        self.tasks.spawn(stream.run(way), f"stream {name}")
        if any(isinstance(fault, ConnectTwice) for fault in faults):
            self.tasks.spawn(self._open_twin(stream, way, language.opening()), f"twin of {name}")
        self.changes.notify()
        return stream

    def of(self, call_id: str) -> list[MediaStream]:
        return [each for each in self.streams if each.order.call_id == call_id]

    async def wait_open(self, call_id: str, nth: int = 1, within: float = 10.0) -> MediaStream:
        """Wait until the n-th stream of a call, counted from 1, has sent its start message.

        Raises:
            TimeoutError: not within this many real seconds; says what became of it instead.
        """

        def found() -> bool:
            streams = self.of(call_id)
            return len(streams) >= nth and streams[nth - 1].started_at is not None

        told = partial(self._told, call_id, nth)
        await self.changes.until(found, told, within)
        return self.of(call_id)[nth - 1]

    async def knock(
        self,
        url: str,
        messages: Sequence[str | bytes] = (),
        *,
        enough: Callable[[str], bool] = lambda _: False,
        within: float = 10.0,
    ) -> Knock:
        """Open a socket at a public URL as anybody can, send these messages, and see what becomes
        of it; a message that is `enough` ends it."""
        way = self._way(url, {})
        assert way is not None, f"no origin is known for {url}"
        return await knock(way, messages, enough, within)

    async def _open_twin(
        self, stream: MediaStream, way: Way | None, opening: Sequence[str]
    ) -> None:
        if way is not None and await stream.connected():
            stream.twins.append(await knock(way, opening))
            self.changes.notify()

    def _way(self, url: str, headers: Mapping[str, str]) -> Way | None:
        local = local_url(url, self.origins)
        return None if local is None else Way.to(url, local, {**self.proxy_headers, **headers})

    def _told(self, call_id: str, nth: int) -> str:
        streams = [f"{each.state} {each.error}".strip() for each in self.of(call_id)]
        return f"stream {nth} of {call_id} open; its streams are {streams}"
