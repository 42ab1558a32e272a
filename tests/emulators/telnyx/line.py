"""One telephone line: dials or is dialled, does what it is told, and ends."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Literal
from uuid import uuid4

from tests.emulators.media import MediaStream, Talker
from tests.emulators.people import Heard, PersonOnCall, speaking_time
from tests.emulators.telnyx.calls import Call, Json, iso
from tests.emulators.telnyx.exchange import Exchange
from tests.emulators.telnyx.listening import Listening
from tests.emulators.telnyx.media import StreamRequest, TelnyxLanguage
from tests.emulators.telnyx.spec import check_event
from tests.emulators.telnyx.webhooks import Webhook

EndedBy = Literal["person", "gateway", "network", "limit"]
DIALLING_SECONDS = 0.2
_PAUSES = {"w": 0.5, "W": 1.0}
_KEY_GAP = 0.1


class Line:
    """A leg in the exchange and the person at its other end."""

    def __init__(self, call: Call, talk: PersonOnCall, exchange: Exchange) -> None:
        self.call = call
        self.talk = talk
        self.clock = exchange.clock
        self.exchange = exchange
        self.listening: Listening | None = None
        self.media: MediaStream | None = None
        """The stream that is on, or about to be."""
        self._talker = Talker(talk, self._leave_after)
        self._sayings: deque[tuple[str, str]] = deque()
        self._speaking = False
        self._tasks: list[asyncio.Task[None]] = []
        self._ringing: asyncio.Task[None] | None = None
        """Ends with the answer."""

    # --- from outside

    def start(self) -> None:
        call = self.call
        self.exchange.note(call, call.state, call.order.direction)
        self.tell(
            "call.initiated",
            {"direction": call.order.direction, "state": call.state, **call.start_time()},
        )
        if call.outgoing:
            self._ringing = self._spawn(self._dial(), "dialling")
        else:
            self._person_joins()
            self._ringing = self._end_after(self.exchange.park_seconds, "person")

    def answer(self) -> None:
        """The leg is up: by the person, or by command."""
        call = self.call
        if self._ringing is not None:
            self._ringing.cancel()
        call.answered_at = self.clock.now()
        call.become("answered")
        self.exchange.note(call, "answered")
        self.tell("call.answered", {"state": "answered", **call.start_time()})
        self._end_after(call.order.time_limit, "limit")
        if call.outgoing:
            self._person_joins()

    def speak(self, text: str, voice: str) -> None:
        """Say it after what is being said."""
        self._sayings.append((text, voice))
        if not self._speaking:
            self._speaking = True
            self._spawn(self._say_all(), "voice")

    def listen(self, *, interim: bool) -> None:
        assert self.listening is None
        self.listening = Listening(self, interim=interim)
        self.talk.gathers += 1
        self.talk.listening = True
        self.exchange.note(self.call, "listens")
        self._spawn(self.listening.run(), "recogniser")

    def stop_listening(self) -> None:
        if self.listening is not None:
            self.listening.stop()
            self.listening = None
            self.exchange.note(self.call, "listens no more")

    def stream(self, request: StreamRequest) -> None:
        """Open a media stream, whatever comes of it."""
        name = str(uuid4())
        language = TelnyxLanguage(name, self.call, request)
        self.media = self.exchange.media.open(
            self.call.control_id,
            name,
            request.url,
            language,
            self._talker,
            # Telnyx tells of keys on the stream and, as always, by a webhook.
            on_key=lambda key: self.tell("call.dtmf.received", {"digit": key}),
        )
        self.exchange.note(self.call, "streams", request.url)
        self._spawn(self._follow(self.media, request), "stream")

    def play_digits(self, digits: str, key_ms: int) -> None:
        gap = key_ms / 1000 + _KEY_GAP
        seconds = sum(_PAUSES.get(key, gap) for key in digits)
        item = Heard(self.call.control_id, "digits", digits, 0.0)
        self._spawn(self._hear(item, seconds), "digits")

    def hang_up(self, by: EndedBy) -> None:
        """Someone puts the phone down, before or after the answer."""
        ours = by == "gateway"
        source = "caller" if ours == self.call.outgoing else "callee"
        if self.call.answered_at is not None:
            self.finish("normal_clearing", by, source=source)
        elif source == "caller":
            self.finish("originator_cancel", by, "487", source=source)
        else:
            self.finish("call_rejected", by, "603", source=source)

    def finish(
        self, cause: str, by: EndedBy, sip_code: str = "200", *, source: str = "unknown"
    ) -> None:
        """End the leg. The first end is final; a later one changes nothing."""
        call = self.call
        if call.over:
            return
        speaking = self._speaking
        call.ended = self.clock.wall()
        call.cause, call.source, call.ended_by = cause, source, by
        call.duration = 0.0 if call.answered_at is None else self.clock.now() - call.answered_at
        call.become("hangup")
        self.stop_listening()
        if self.media is not None:
            self.media.stop()
        self._cancel()
        if speaking:
            self.tell("call.speak.ended", {"status": "call_hangup"}, numbers=False)
        self.tell(
            "call.hangup",
            {
                "state": "hangup",
                "hangup_cause": cause,
                "hangup_source": source,
                "sip_hangup_cause": sip_code,
                **call.start_time(),
            },
        )
        self.exchange.note(call, "hangup", f"{cause} by {by}")

    # --- telling the gateway

    def tell(self, event_type: str, fields: Mapping[str, object], *, numbers: bool = True) -> None:
        """Send an event; the client state is the leg's at this moment."""
        call = self.call
        payload: Json = {**call.common_fields(), **(call.numbers() if numbers else {}), **fields}
        webhook = Webhook(
            event_type,
            call.control_id,
            call.order.webhook_url,
            payload,
            iso(self.clock.wall()),
            call.order.failover_url,
        )
        wrong = check_event(event_type, webhook.data())
        assert not wrong, f"the emulator's own {event_type}: {wrong}"
        self.exchange.tasks.spawn(self.exchange.webhooks.deliver(webhook), event_type)

    # --- the stories of a line

    async def _dial(self) -> None:
        person, clock, limit = self.talk.person, self.clock, self.call.order.ring_timeout
        await clock.sleep(DIALLING_SECONDS)
        if person.outcome == "failed":
            return self.finish("not_found", "network", "404")
        rings = person.answers_after
        if rings is None or rings > limit:
            await clock.sleep(limit)
            return self.finish("timeout", "network", "487")
        await clock.sleep(rings)
        if person.outcome == "declines":
            return self.finish("call_rejected", "person", "603", source="callee")
        if person.outcome == "busy":
            return self.finish("user_busy", "network", "486", source="callee")
        self._ringing = None
        return self.answer()

    async def _say_all(self) -> None:
        while self._sayings:
            text, voice = self._sayings.popleft()
            self.tell("call.speak.started", {}, numbers=False)
            item = Heard(self.call.control_id, "say", text, 0.0, voice)
            await self._hear(item, speaking_time(text))
            self._speaking = bool(self._sayings)
            self.tell("call.speak.ended", {"status": "completed"}, numbers=False)
        self.exchange.note(self.call, "silent")

    async def _follow(self, media: MediaStream, request: StreamRequest) -> None:
        """Tell what becomes of a stream, and end it with the call."""
        url = {"stream_url": request.url}
        try:
            if not await media.connected():
                return self._tell_failed(media, request, "connection_failed")
            self.tell("streaming.started", url, numbers=False)
            return await media.ended()
        finally:
            self.media = None
            media.stop()
            if media.ended_by == "network":
                # What a socket that is lost brings is not documented: the harder case.
                self._tell_failed(media, request, "connection_lost")
            elif media.started_at is not None:
                self.tell("streaming.stopped", url, numbers=False)

    def _tell_failed(self, media: MediaStream, request: StreamRequest, reason: str) -> None:
        fields: Json = {
            "failure_reason": reason,
            "stream_id": media.name,
            "stream_type": "websocket",
            "stream_params": {"stream_url": request.url, "track": request.track},
        }
        self.tell("streaming.failed", fields, numbers=False)

    @property
    def speaking(self) -> bool:
        return self._speaking

    async def _hear(self, item: Heard, seconds: float) -> None:
        self.exchange.note(self.call, f"hears {item.kind}", item.text)
        if await self.talk.hear(item, seconds, self.clock, lambda: self.hang_up("person")):
            self._leave_after(self.talk.person.hangs_up.delay)

    def reply_ended(self) -> None:
        """What the person answered to a listening is over: some people leave then."""
        habits = self.talk.person.hangs_up
        if habits.after_gather == self.talk.gathers:
            self._leave_after(habits.delay)

    # --- tasks

    def _leave_after(self, seconds: float) -> None:
        self._end_after(seconds, "person")

    def _person_joins(self) -> None:
        seconds = self.talk.person.hangs_up.after_seconds
        if seconds is not None:
            self._end_after(seconds, "person")

    def _end_after(self, seconds: float, by: EndedBy) -> asyncio.Task[None]:
        async def end() -> None:
            await self.clock.sleep(seconds)
            if by == "limit":
                self.finish("time_limit", by)
            else:
                self.hang_up(by)

        return self._spawn(end(), f"{by} ends {self.call.control_id}")

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        task = self.exchange.tasks.spawn(work, name)
        self._tasks.append(task)
        return task

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
