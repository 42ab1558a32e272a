"""One telephone line: dials or is dialled, executes the documents it gets, and ends."""

import asyncio
from collections.abc import Coroutine, Sequence
from urllib.parse import urldefrag, urljoin

from tests.emulators.media import Talker
from tests.emulators.people import Heard, PersonOnCall, speaking_time
from tests.emulators.twilio.calls import (
    Call,
    CallStatus,
    Fetch,
    Form,
    Inline,
    Instruction,
)
from tests.emulators.twilio.exchange import Exchange
from tests.emulators.twilio.gathering import Gathering
from tests.emulators.twilio.spec import is_web_url
from tests.emulators.twilio.streaming import Streaming
from tests.emulators.twilio.twiml import (
    Document,
    DocumentError,
    Gather,
    Hangup,
    NotEmulated,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Stream,
    Verb,
    parse,
)
from tests.emulators.twilio.webhooks import CarrierError, Delivery, Kind, Webhook

PLAY_SECONDS = 3.0
"""Assumed length of a recording, whose sound is not fetched."""
DETECTION_SECONDS = 4.0
APOLOGY = "We are sorry, an application error has occurred. Goodbye."
_KEY_SECONDS = {"w": 0.5, "W": 1.0}
_SIP_CODES: dict[CallStatus, str] = {"busy": "486", "failed": "404"}
_XML_TYPES = {"text/xml", "application/xml", "text/html"}


class Line:
    """A call in the exchange and the person at its other end."""

    def __init__(self, call: Call, talk: PersonOnCall, exchange: Exchange) -> None:
        self.call = call
        self.talk = talk
        self._exchange = exchange
        self.clock = exchange.clock
        self._timers: list[asyncio.Task[None]] = []
        self._main: asyncio.Task[None] | None = None
        self._limit: asyncio.Task[None] | None = None
        self.talker = Talker(talk, self._leave_after)

    # --- from outside

    def start(self) -> None:
        self._exchange.note(self.call, self.call.status, self.call.order.direction)
        self._begin(self._be_called() if self.call.inbound else self._dial())

    def redirect(self, instruction: Instruction) -> None:
        """A REST update: drop the document that runs, cut what is being said, and do this."""
        self._begin(self._execute(instruction))

    def finish(self, status: CallStatus, by: str, sip_code: str = "200") -> None:
        """End the call. The first end is final; a later one changes nothing."""
        call = self.call
        if call.over:
            return
        # Twilio tells nobody of a call that was canceled while it was queued.
        untold = (call.status, status) == ("queued", "canceled")
        call.ended = self.clock.wall()
        call.become(status, call.ended)
        call.ended_by, call.sip_code = by, sip_code
        call.duration = 0.0 if call.answered_at is None else self.clock.now() - call.answered_at
        for task in (self._main, *self._timers):
            if task is not None:
                task.cancel()
        if not untold:
            self._tell_end()
        self._exchange.note(call, status, by)

    def hang_up(self, by: str) -> None:
        """Someone puts the phone down, before or after the answer."""
        self.finish("completed" if self.call.answered_at is not None else "no-answer", by)

    def limit(self, seconds: float) -> None:
        """End the call this many carrier seconds from now; the newest limit counts."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit = self._after(seconds, "limit")

    # --- before the answer

    async def _dial(self) -> None:
        call, person, clock = self.call, self.talk.person, self.clock
        await clock.sleep(self._exchange.queue_seconds)
        self._tell("initiated")
        if person.outcome == "failed":
            return self.finish("failed", "network", _SIP_CODES["failed"])
        self._become("ringing")
        self._tell("ringing")
        rings = person.answers_after
        if rings is None or rings > call.order.ring_timeout:
            await clock.sleep(call.order.ring_timeout)
            return self.finish("no-answer", "network", "487")
        await clock.sleep(rings)
        if person.outcome != "answers":
            code = "603" if person.outcome == "declines" else _SIP_CODES["busy"]
            return self.finish("busy", "person", code)
        self._answer()
        self._tell("answered", "in-progress")
        extra = await self._detect_machine()
        if digits := call.order.send_digits:
            await self._play_digits(digits)
        instruction = call.order.instruction
        if isinstance(instruction, Fetch):
            instruction = Fetch(instruction.url, instruction.method, extra)
        return await self._execute(instruction)

    async def _be_called(self) -> None:
        self._become("ringing")
        self._person_joins()
        await self._execute(self.call.order.instruction)

    def _answer(self) -> None:
        self.call.answered_at = self.clock.now()
        self._become("in-progress")
        self.limit(self.call.order.time_limit)
        if not self.call.inbound:
            self._person_joins()

    def _person_joins(self) -> None:
        seconds = self.talk.person.hangs_up.after_seconds
        if seconds is not None:
            self._after(seconds, "person")

    async def _detect_machine(self) -> Form:
        """AnsweredBy for the first document, or later by its own callback when asynchronous."""
        detection = self.call.order.detection
        if not detection.mode or self.call.order.send_digits:
            return ()
        machine = "machine_end_beep" if detection.mode == "DetectMessageEnd" else "machine_start"
        verdict = machine if self.talk.person.machine else "human"

        async def decide() -> None:
            await self.clock.sleep(DETECTION_SECONDS)
            self.call.answered_by = verdict

        async def tell_later() -> None:
            await decide()
            fields = (
                ("CallSid", self.call.sid),
                ("AccountSid", self.call.account_sid),
                ("AnsweredBy", verdict),
                ("MachineDetectionDuration", str(int(DETECTION_SECONDS * 1000))),
            )
            self.send("amd", Fetch(detection.callback, detection.method), fields)

        if detection.callback:
            self._timers.append(self._exchange.tasks.spawn(tell_later(), "machine detection"))
            return ()
        await decide()
        return (("AnsweredBy", verdict),)

    # --- documents

    async def _execute(self, instruction: Instruction) -> None:
        """Run documents until one of them, or the lack of one, ends the call."""
        following: Instruction | None = instruction
        while following is not None:
            try:
                document, base = await self._document(following)
                following = await self._run(document, base)
            except CarrierError as exc:
                self._exchange.alert(self.call, exc.code, exc.message)
                return await self._apologise()
        return self.finish("completed", "document")

    async def _document(self, instruction: Instruction) -> tuple[Document, str]:
        if isinstance(instruction, Inline):
            return self._parse(instruction.twiml), ""
        try:
            return await self._fetch("document", instruction)
        except CarrierError as exc:
            fallback = self.call.fallback
            if fallback is None:
                raise
            self._exchange.alert(self.call, exc.code, exc.message)
            fields = (("ErrorCode", str(exc.code)), ("ErrorUrl", urldefrag(instruction.url).url))
            return await self._fetch("fallback", Fetch(fallback.url, fallback.method, fields))

    async def _fetch(self, kind: Kind, fetch: Fetch) -> tuple[Document, str]:
        fields = (*self.call.common_fields(), *fetch.extra)
        webhook = Webhook(kind, self.call.sid, fetch.url, fetch.method, fields)
        outcome: asyncio.Future[Delivery | CarrierError] = (
            asyncio.get_running_loop().create_future()
        )

        async def ask() -> None:
            result: Delivery | CarrierError
            try:
                result = await self._exchange.webhooks.deliver(webhook)
            except CarrierError as exc:
                result = exc
            if not outcome.done():
                outcome.set_result(result)

        # A request under way goes on when the call ends or is redirected; nobody hears its answer.
        self._exchange.tasks.spawn(ask(), f"{kind} {self.call.sid}")
        result = await outcome
        if isinstance(result, CarrierError):
            raise result
        return self._interpret(result), result.url

    def _interpret(self, answer: Delivery) -> Document:
        if not answer.body.strip():
            return Document((), ())
        kind = answer.content_type
        if kind in _XML_TYPES:
            return self._parse(answer.body)
        if kind.startswith("audio/"):
            return Document((Play(answer.url),), ())
        if kind == "text/plain":
            try:
                return parse(answer.body)
            except DocumentError:
                return Document((Say(answer.body),), ())
        raise CarrierError(12300, f"content type {kind!r} of {answer.url}")

    def _parse(self, text: str) -> Document:
        try:
            document = parse(text)
        except DocumentError as exc:
            raise CarrierError(12100, str(exc)) from None
        for problem in document.problems:
            self._exchange.violation(self.call, problem)
        return document

    async def _run(self, document: Document, base: str) -> Instruction | None:
        """Perform the verbs in order; the instruction to follow, or None where the call ends."""
        for verb in document.verbs:
            if isinstance(verb, Reject):
                return self._reject(verb)
            if self.call.answered_at is None:
                self._answer()
            match verb:
                case Hangup() | NotEmulated():
                    return None
                case Redirect(url, method):
                    return self._follow(base, url, method)
                case Gather():
                    extra = await Gathering(self, verb, base).run()
                    if extra is not None:
                        return self._follow(base, verb.action, verb.method, extra)
                case Stream():
                    await Streaming(self, self._exchange, verb).run()
                    if verb.action:
                        return self._follow(base, verb.action, verb.method)
                case Say() | Play() | Pause():
                    await self.perform((verb,))
        return None

    def _reject(self, verb: Reject) -> None:
        if self.call.inbound and self.call.answered_at is None:
            # Which end status a refusal gets is not documented; this is our choice.
            self.finish("busy" if verb.reason == "busy" else "failed", "document", "603")
        else:
            self._exchange.violation(self.call, "<Reject> on a call that is answered")

    def _follow(self, base: str, url: str, method: str, extra: Form = ()) -> Fetch:
        target = urljoin(base, url) if url else base
        if not is_web_url(target):
            raise CarrierError(11100, f"not a URL that can be called: {target!r}")
        return Fetch(target, method, extra)

    async def _apologise(self) -> None:
        if self.call.answered_at is None:
            self._answer()
        await self._hear(Heard(self.call.sid, "error", APOLOGY, 0.0), speaking_time(APOLOGY))
        self.finish("completed", "error")

    # --- what reaches the person's ear, and what comes from the mouth

    def gather_ended(self) -> None:
        """A Gather is over: some people leave then."""
        habits = self.talk.person.hangs_up
        if habits.after_gather == self.talk.gathers:
            self._leave_after(habits.delay)

    def tell_partial(self, url: str, method: str, fields: Form) -> None:
        """Report speech that is still going on."""
        self.send("partial", Fetch(url, method), (*self.call.common_fields(), *fields))

    async def perform(self, verbs: Sequence[Verb]) -> None:
        """Say, play and pause, in order."""
        for verb in verbs:
            match verb:
                case Pause(length):
                    await self.clock.sleep(length)
                case Play(url, digits, loop):
                    if digits:
                        await self._play_digits(digits * max(1, loop))
                    else:
                        item = Heard(self.call.sid, "play", url, 0.0)
                        await self._hear(item, PLAY_SECONDS * (loop or 1000))
                case Say(text, voice, language, loop):
                    item = Heard(self.call.sid, "say", text, 0.0, voice, language)
                    await self._hear(item, speaking_time(text) * (loop or 1000))
                case _:
                    raise AssertionError(f"{verb} is not a prompt")

    async def _play_digits(self, digits: str) -> None:
        seconds = sum(_KEY_SECONDS.get(key, 0.2) for key in digits)
        await self._hear(Heard(self.call.sid, "digits", digits, 0.0), seconds)

    async def _hear(self, item: Heard, seconds: float) -> None:
        self._exchange.note(self.call, f"hears {item.kind}", item.text)
        if await self.talk.hear(item, seconds, self.clock, lambda: self.hang_up("person")):
            self._leave_after(self.talk.person.hangs_up.delay)

    # --- telling the gateway

    def _become(self, status: CallStatus) -> None:
        self.call.become(status, self.clock.wall())
        self._exchange.note(self.call, status)

    def _tell(self, event: str, status: str | None = None) -> None:
        callback = self.call.callback
        if callback.url and event in callback.events:
            fields = self.call.progress_fields(status or event, self.clock.wall())
            self.send("status", Fetch(callback.url, callback.method), fields)

    def _tell_end(self) -> None:
        if not self.call.inbound:
            return self._tell("completed", self.call.status)
        callback = self.call.callback
        if callback.url:
            fields = (*self.call.common_fields(), *self.call.end_fields())
            self.send("status", Fetch(callback.url, callback.method), fields)
        return None

    def send(self, kind: Kind, target: Fetch, fields: Form) -> None:
        webhook = Webhook(kind, self.call.sid, target.url, target.method, fields)

        async def tell() -> None:
            try:
                await self._exchange.webhooks.deliver(webhook)
            except CarrierError as exc:
                self._exchange.alert(self.call, exc.code, exc.message)

        self._exchange.tasks.spawn(tell(), f"{kind} {self.call.sid}")

    # --- tasks

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        if self._main is not None:
            self._main.cancel()
        self._main = self._exchange.tasks.spawn(work, f"line {self.call.sid}")

    def _leave_after(self, seconds: float) -> None:
        self._after(seconds, "person")

    def _after(self, seconds: float, by: str) -> asyncio.Task[None]:
        async def end() -> None:
            await self.clock.sleep(seconds)
            self.hang_up(by)

        timer = self._exchange.tasks.spawn(end(), f"{by} ends {self.call.sid}")
        self._timers.append(timer)
        return timer
