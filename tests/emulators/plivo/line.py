"""One telephone line: dials or is dialled, executes the documents it gets, and ends."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from urllib.parse import urldefrag, urljoin, urlsplit
from uuid import uuid4

from tests.emulators.clock import Clock
from tests.emulators.media import MediaStream, Talker
from tests.emulators.people import Heard, PersonOnCall, speaking_time
from tests.emulators.plivo.calls import (
    BUSY,
    CANCELLED,
    END_OF_XML,
    INVALID,
    NO_ANSWER,
    NORMAL,
    REJECTED,
    TIME_LIMIT,
    Call,
    CallStatus,
    Cause,
    Fetch,
    Form,
    plivo_time,
)
from tests.emulators.plivo.exchange import Exchange
from tests.emulators.plivo.listening import Listening
from tests.emulators.plivo.markup import (
    Document,
    DocumentError,
    GetInput,
    Hangup,
    Keys,
    NotEmulated,
    Play,
    Prompt,
    Redirect,
    Speak,
    Stream,
    Wait,
    parse,
)
from tests.emulators.plivo.media import PlivoLanguage
from tests.emulators.plivo.spec import is_web_url
from tests.emulators.plivo.webhooks import Delivery, Kind, Unreachable, Webhook

PLAY_SECONDS = 3.0
"""Assumed length of a recording, whose sound is not fetched."""
STREAM_ATTEMPTS = 3
STREAM_GAP = 0.1
"""Real seconds between them; what Plivo waits is not documented."""
_KEY_SECONDS = {"w": 0.5, "W": 1.0}
_XML_TYPES = {"text/xml", "application/xml"}
_CODE_DIGIT: dict[Kind, int] = {
    "answer": 1,
    "fallback": 1,
    "action": 2,
    "transfer": 3,
    "redirect": 4,
}
"""The last digit of the hang-up cause codes 701x (URL unreachable), 702x (no URL), 801x (document
not usable)."""


class _Failed(Exception):
    """The gateway failed Plivo, which ends the call with this cause."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Line:
    """A call in the exchange and the person at its other end."""

    def __init__(self, call: Call, talk: PersonOnCall, exchange: Exchange) -> None:
        self.call = call
        self.talk = talk
        self._exchange = exchange
        self._timers: list[asyncio.Task[None]] = []
        self._main: asyncio.Task[None] | None = None
        self._talker = Talker(talk, self._leave_after)

    @property
    def clock(self) -> Clock:
        return self._exchange.clock

    # --- from outside

    def start(self) -> None:
        self._exchange.note(self.call, self.call.status, self.call.order.direction)
        self._begin(self._be_called() if self.call.inbound else self._dial())

    def transfer(self, fetch: Fetch) -> None:
        """A REST transfer: drop the document that runs, cut what is being said, and do this."""
        self._begin(self._execute("transfer", fetch))

    def finish(self, cause: Cause, by: str) -> None:
        """End the call. The first end is final; a later one changes nothing."""
        call = self.call
        if call.over:
            return
        call.ended, call.cause, call.ended_by = self.clock.wall(), cause, by
        call.become(cause.status)
        call.duration = 0.0 if call.answered_at is None else self.clock.now() - call.answered_at
        for task in (self._main, *self._timers):
            if task is not None:
                task.cancel()
        # The answer URL is told where no other URL was set for it.
        target = call.order.hangup or call.order.answer
        if target.url:
            self._send("hangup", replace(target, extra=call.end_fields()))
        self._exchange.note(call, cause.status, f"{cause.code} {by}")

    def hang_up(self, by: str) -> None:
        """Someone puts the phone down, before or after the answer."""
        if self.call.answered_at is not None:
            self.finish(NORMAL, by)
        else:
            self.finish(CANCELLED if by == "gateway" or self.call.inbound else REJECTED, by)

    # --- before the answer

    async def _dial(self) -> None:
        call, person, clock = self.call, self.talk.person, self.clock
        await clock.sleep(self._exchange.queue_seconds)
        if person.outcome == "failed":
            return self.finish(INVALID, "network")
        self._become("ringing")
        if call.order.ring is not None:
            self._send("ring", replace(call.order.ring, extra=(("Event", "Ring"),)))
        rings = person.answers_after
        if rings is None or rings > call.order.ring_timeout:
            await clock.sleep(call.order.ring_timeout)
            return self.finish(NO_ANSWER, "network")
        await clock.sleep(rings)
        if person.outcome != "answers":
            return self.finish(REJECTED if person.outcome == "declines" else BUSY, "person")
        self._answer()
        if call.order.send_digits:
            await self._press(call.order.send_digits)
        return await self._start_app()

    async def _be_called(self) -> None:
        self._become("ringing")
        self._person_joins()
        await self._start_app()

    async def _start_app(self) -> None:
        answer = self.call.order.answer
        await self._execute("answer", replace(answer, extra=(("Event", "StartApp"),)))

    def _answer(self) -> None:
        self.call.answered, self.call.answered_at = self.clock.wall(), self.clock.now()
        self._become("in-progress")
        self._limit(self.call.order.time_limit)
        if not self.call.inbound:
            self._person_joins()

    def _limit(self, seconds: float) -> None:
        async def end() -> None:
            await self.clock.sleep(seconds)
            self.finish(TIME_LIMIT, "limit")

        self._timers.append(self._exchange.tasks.spawn(end(), f"limit of {self.call.uuid}"))

    def _person_joins(self) -> None:
        seconds = self.talk.person.hangs_up.after_seconds
        if seconds is not None:
            self._leave_after(seconds)

    # --- documents

    async def _execute(self, kind: Kind, fetch: Fetch) -> None:
        """Run documents until one of them, or the lack of one, ends the call."""
        following: tuple[Kind, Fetch] | None = (kind, fetch)
        try:
            while following is not None:
                document, base = await self._document(*following)
                following = await self._run(document, base)
        except _Failed as failure:
            self._exchange.alert(self.call, failure.code, str(failure))
            name = "Error Reaching URL" if failure.code < 8000 else "Invalid Instructions"
            return self.finish(Cause("completed", "NORMAL_CLEARING", failure.code, name), "network")
        return self.finish(END_OF_XML, "document")

    async def _document(self, kind: Kind, fetch: Fetch) -> tuple[Document, str]:
        try:
            return await self._fetch(kind, fetch)
        except _Failed as failure:
            fallback = self.call.order.fallback
            if kind != "answer" or fallback is None:
                raise
            self._exchange.alert(self.call, failure.code, str(failure))
            return await self._fetch("fallback", fallback)

    async def _fetch(self, kind: Kind, fetch: Fetch) -> tuple[Document, str]:
        if not is_web_url(fetch.url):
            raise _Failed(7020 + _CODE_DIGIT[kind], f"not a URL: {fetch.url!r}")
        fields = (*self.call.common_fields(), *fetch.extra)
        webhook = Webhook(kind, self.call.uuid, fetch.url, fetch.method, fields)
        outcome: asyncio.Future[Delivery | Unreachable] = asyncio.get_running_loop().create_future()

        async def ask() -> None:
            result: Delivery | Unreachable
            try:
                result = await self._exchange.webhooks.deliver(webhook)
            except Unreachable as exc:
                result = exc
            if not outcome.done():
                outcome.set_result(result)

        # A request under way goes on when the call ends or is transferred; nobody hears its answer.
        self._exchange.tasks.spawn(ask(), f"{kind} {self.call.uuid}")
        result = await outcome
        if isinstance(result, Unreachable):
            raise _Failed(7010 + _CODE_DIGIT[kind], str(result))
        return self._interpret(kind, result), result.url

    def _interpret(self, kind: Kind, answer: Delivery) -> Document:
        code = 8010 + _CODE_DIGIT[kind]
        if answer.content_type not in _XML_TYPES:
            raise _Failed(code, f"content type {answer.content_type!r} of {answer.url}")
        try:
            document = parse(answer.body)
        except DocumentError as exc:
            raise _Failed(code, str(exc)) from None
        for problem in document.problems:
            self._exchange.violation(self.call, problem)
        return document

    async def _run(self, document: Document, base: str) -> tuple[Kind, Fetch] | None:
        """Perform the verbs in order; what to fetch then, or None where the call ends."""
        for verb in document.verbs:
            if isinstance(verb, Hangup):
                self._hang_up_by(verb)
                return None
            if self.call.answered_at is None:
                self._answer()
            match verb:
                case NotEmulated():
                    return None
                case Redirect(url, method):
                    return "redirect", Fetch(_target(base, url), method)
                case GetInput():
                    fields = await Listening(self, verb).run()
                    if fields is not None:
                        return "action", Fetch(_target(base, verb.action), verb.method, fields)
                case Keys(digits, waits):
                    await self._begin_verb(self._press(digits), waits=waits)
                case Stream():
                    await self._begin_verb(self._stream(verb), waits=verb.holds)
                case Speak() | Play() | Wait():
                    await self.perform((verb,))
        return None

    async def _begin_verb(self, work: Coroutine[object, object, None], *, waits: bool) -> None:
        """`waits`: until it is over; else the document goes on at once."""
        if waits:
            await work
        else:
            task = self._exchange.tasks.spawn(work, f"beside the document of {self.call.uuid}")
            self._timers.append(task)

    def _hang_up_by(self, verb: Hangup) -> None:
        call = self.call
        if call.answered_at is not None:
            self.finish(NORMAL, "document")
        else:
            self.finish(BUSY if verb.reason == "busy" else REJECTED, "document")

    # --- live audio

    async def _stream(self, stream: Stream) -> None:
        """Until the stream is over; one that cannot be opened is passed over."""
        media = self._open(stream)
        for left in reversed(range(STREAM_ATTEMPTS)):
            try:
                if await media.connected():
                    self._tell_stream(stream, media, "StartStream")
                    return await media.ended()
            finally:
                media.stop()
                if media.started_at is not None:
                    self._tell_stream(stream, media, "StopStream")
            if left:
                await asyncio.sleep(STREAM_GAP)
                media = self._open(stream)
        self._exchange.note(self.call, "stream dropped", media.error)
        return self._tell_stream(stream, media, "DroppedStream")

    def _open(self, stream: Stream) -> MediaStream:
        call, name = self.call, str(uuid4())
        language = PlivoLanguage(name, call.uuid, call.account, stream.extra_headers)
        # The upgrade is signed as if it were plain HTTP.
        signed = urlsplit(stream.url)._replace(scheme="http").geturl()
        headers = self._exchange.webhooks.sign(signed, "GET", ())
        self._exchange.note(call, "stream", stream.url)
        return self._exchange.media.open(
            call.uuid, name, stream.url, language, self._talker, headers
        )

    def _tell_stream(self, stream: Stream, media: MediaStream, event: str) -> None:
        if stream.status_url:
            extra: Form = (
                ("Event", event),
                ("StreamID", media.name),
                ("Timestamp", plivo_time(self.clock.wall())),
                ("ServiceURL", stream.url),
                ("StatusReason", media.error),
            )
            self._send("stream", Fetch(stream.status_url, stream.status_method, extra))

    # --- what reaches the person's ear, and what comes from the mouth

    def listened(self) -> None:
        """A GetInput is over: some people leave then."""
        habits = self.talk.person.hangs_up
        if habits.after_gather == self.talk.gathers:
            self._leave_after(habits.delay)

    async def perform(self, prompts: Sequence[Prompt]) -> None:
        """Say, play and wait, in order."""
        for prompt in prompts:
            match prompt:
                case Wait(length):
                    await self.clock.sleep(length)
                case Play(url, loop):
                    item = Heard(self.call.uuid, "play", url, 0.0)
                    await self._hear(item, PLAY_SECONDS * (loop or 1000))
                case Speak(text, voice, language, loop):
                    item = Heard(self.call.uuid, "say", text, 0.0, voice, language)
                    await self._hear(item, speaking_time(text) * (loop or 1000))

    async def _press(self, digits: str) -> None:
        seconds = sum(_KEY_SECONDS.get(key, 0.2) for key in digits)
        await self._hear(Heard(self.call.uuid, "digits", digits, 0.0), seconds)

    async def _hear(self, item: Heard, seconds: float) -> None:
        self._exchange.note(self.call, f"hears {item.kind}", item.text)
        if await self.talk.hear(item, seconds, self.clock, lambda: self.hang_up("person")):
            self._leave_after(self.talk.person.hangs_up.delay)

    # --- telling the gateway

    def _become(self, status: CallStatus) -> None:
        self.call.become(status)
        self._exchange.note(self.call, status)

    def _send(self, kind: Kind, target: Fetch) -> None:
        fields: Form = (*self.call.common_fields(), *target.extra)
        webhook = Webhook(kind, self.call.uuid, target.url, target.method, fields)

        async def tell() -> None:
            try:
                await self._exchange.webhooks.deliver(webhook)
            except Unreachable as exc:
                self._exchange.alert(self.call, 0, str(exc))

        self._exchange.tasks.spawn(tell(), f"{kind} {self.call.uuid}")

    # --- tasks

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        if self._main is not None:
            self._main.cancel()
        self._main = self._exchange.tasks.spawn(work, f"line {self.call.uuid}")

    def _leave_after(self, seconds: float) -> None:
        async def leave() -> None:
            await self.clock.sleep(seconds)
            self.hang_up("person")

        self._timers.append(self._exchange.tasks.spawn(leave(), f"leaving {self.call.uuid}"))


def _target(base: str, url: str) -> str:
    return urljoin(urldefrag(base).url, url) if url else base
