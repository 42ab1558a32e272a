"""Verify, read, deliver, reply: what happens to a webhook once the server has let it in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from openclaw_voice_call.errors import SignatureError, StoreError, WebhookMalformed
from openclaw_voice_call.interfaces.carrier import (
    Carrier,
    Reading,
    VerifiedWebhook,
    WebhookReply,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.instruction import Instruction
from openclaw_voice_call.webhook.public_url import UrlPolicy, candidates

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 14.0
"""Carriers give up after 15 s."""
WARNING_INTERVAL_S = 60.0

BAD_REQUEST = WebhookReply(400, body=b"bad request\n")
UNAUTHORIZED = WebhookReply(401, body=b"unauthorized\n")
UNAVAILABLE = WebhookReply(503, body=b"try again\n")


class CallsDesk(Protocol):
    """Where webhooks are delivered to."""

    async def receive(self, reading: Reading) -> Instruction | None:
        """Take in what a verified webhook says; what the line is to do, if it asked.

        Returns when all of it is durable. Raises StoreError when that failed: nothing was taken
        in, and the carrier's repetition will be processed as if it were the first.
        """
        ...


class Burst:
    """Counts what happens often, to be told once per `interval_s`. Pure."""

    def __init__(self, interval_s: float = WARNING_INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._told_at: float | None = None
        self._untold = 0

    def count(self, now: float) -> int | None:
        """How many to tell of now, this one included; None when it is too early to tell."""
        self._untold += 1
        if self._told_at is not None and 0 <= now - self._told_at < self._interval_s:
            return None
        self._told_at = now
        told, self._untold = self._untold, 0
        return told


class WebhookPipeline:
    """`clock` gives epoch seconds. With `skip_verification`, signatures are not looked at."""

    def __init__(
        self,
        carrier: Carrier,
        desk: CallsDesk,
        policy: UrlPolicy,
        *,
        skip_verification: bool = False,
        clock: Callable[[], float] = time.time,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self._carrier = carrier
        self._desk = desk
        self._policy = policy
        self._skip_verification = skip_verification
        self._clock = clock
        self._answer_limit_s = answer_limit_s
        self._forgeries = Burst()

    @property
    def signature_headers(self) -> Sequence[str]:
        """Of these, in lower case, one must be there before a body is read; empty: none needed."""
        return () if self._skip_verification else tuple(self._carrier.signature_headers())

    async def handle(
        self, request: WebhookRequest, verified: Callable[[], None] = lambda: None
    ) -> WebhookReply:
        """The answer to a request. `verified` is called as soon as its sender is known."""
        try:
            webhook = self._verify(request)
            if webhook is None:
                return BAD_REQUEST
            verified()
            reading = self._carrier.read(webhook)
        except SignatureError:
            return self._forged(request)
        except WebhookMalformed as exc:
            log.warning("malformed webhook", extra={"reason": str(exc)})
            return BAD_REQUEST
        try:
            async with asyncio.timeout(self._answer_limit_s):
                instruction = await self._desk.receive(reading)
        except StoreError as exc:
            log.error("webhook not taken in", extra={"reason": str(exc)})
            return UNAVAILABLE
        except TimeoutError:
            log.error("webhook not answered in time", extra={"limit_s": self._answer_limit_s})
            return UNAVAILABLE
        return self._carrier.reply(webhook, instruction)

    def _verify(self, request: WebhookRequest) -> VerifiedWebhook | None:
        """None when the request does not show which URL it was sent to."""
        if self._skip_verification:
            return self._carrier.trust(request)
        urls = candidates(request, self._policy)
        if not urls:
            return None
        return self._carrier.verify(request, urls, self._clock())

    def _forged(self, request: WebhookRequest) -> WebhookReply:
        count = self._forgeries.count(self._clock())
        if count is not None:
            log.warning(
                "webhook with a wrong signature refused; if the carrier sent it, check publicUrl "
                "and the carrier's credentials",
                extra={"remote": request.remote, "count": count},
            )
        return UNAUTHORIZED
