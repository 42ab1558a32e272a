"""How Telnyx calls the gateway: signed events, two seconds to acknowledge, retries, and a log.

Facts: Telnyx's pages "Webhook fundamentals" and "Receiving webhooks". Whether a retry is signed
anew is not documented; here it is, so that a long series of them stays valid.
"""

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import Literal, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from tests.emulators.clock import Changes
from tests.emulators.courier import Courier, Lost
from tests.emulators.origins import local_url
from tests.emulators.telnyx.calls import Json

MAX_LOG = 200_000
SIGNATURE_HEADER, TIMESTAMP_HEADER = "telnyx-signature-ed25519", "telnyx-timestamp"

_Outcome: TypeAlias = Literal["", "retry", "lost"]
"""What follows an attempt: nothing, another one, or the end of all attempts."""


@dataclass(frozen=True)
class Webhook:
    """An event for the gateway. Its id stays in all attempts and repetitions."""

    event_type: str
    control_id: str
    url: str
    payload: Mapping[str, object]
    occurred_at: str
    failover_url: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))

    def data(self) -> Json:
        return {
            "record_type": "event",
            "event_type": self.event_type,
            "id": self.id,
            "occurred_at": self.occurred_at,
            "payload": dict(self.payload),
        }


@dataclass
class Delivery:
    """One HTTP request to the gateway, and what came back."""

    event_type: str
    control_id: str
    event_id: str
    url: str
    content: bytes
    headers: dict[str, str]
    attempt: int = 1
    status: int | None = None
    """HTTP status; None while unanswered, or when no answer came (see `error`)."""
    body: str = ""
    error: str = ""
    outcome: _Outcome = ""
    sent_at: float = 0.0
    answered_at: float = 0.0
    """Seconds of the event loop's clock."""

    @property
    def payload(self) -> Json:
        body = msgspec.json.decode(self.content, type=dict[str, dict[str, object]])
        return msgspec.convert(body["data"]["payload"], dict[str, object])


@dataclass
class WebhookSender:
    """Delivers events to the gateway.

    Args:
        origins: public URL prefixes and the local ones behind them, as a tunnel would map them.
        proxy_headers: what such a tunnel adds to every request.
        ack_seconds: real seconds within which an event must be acknowledged.
        retries: how often an event is sent again to each of its URLs.
        retry_gap: real seconds before the first retry; each further one waits twice as long.
    """

    key: Ed25519PrivateKey
    session: aiohttp.ClientSession
    changes: Changes
    courier: Courier[Webhook]
    origins: Mapping[str, str]
    proxy_headers: Mapping[str, str]
    ack_seconds: float = 2.0
    retries: int = 4
    retry_gap: float = 0.05
    log: deque[Delivery] = field(default_factory=lambda: deque[Delivery](maxlen=MAX_LOG))
    alerts: list[str] = field(default_factory=list[str])
    """Events that the gateway never acknowledged."""

    def signed_headers(self, content: bytes, at: int | None = None) -> dict[str, str]:
        """The headers of a genuine delivery of these bytes, at this epoch second."""
        stamp = str(int(time()) if at is None else at)
        signature = self.key.sign(stamp.encode() + b"|" + content)
        return {
            SIGNATURE_HEADER: b64encode(signature).decode("ascii"),
            TIMESTAMP_HEADER: stamp,
        }

    async def deliver(self, webhook: Webhook) -> None:
        """Deliver with the faults that are due, until it is acknowledged or given up."""
        try:
            await self.courier.deliver(
                webhook, webhook.control_id, lambda: self._with_retries(webhook)
            )
        except Lost:
            return

    async def _with_retries(self, webhook: Webhook) -> None:
        attempt = 0
        for url in filter(None, (webhook.url, webhook.failover_url)):
            for again in range(self.retries + 1):
                if again:
                    await asyncio.sleep(self.retry_gap * 2 ** (again - 1))
                attempt += 1
                delivery = await self._attempt(webhook, url, attempt)
                if not delivery.outcome:
                    return
                if delivery.outcome == "lost":
                    break
        self.alerts.append(f"{webhook.event_type} {webhook.id}: not acknowledged")
        self.changes.notify()

    async def _attempt(self, webhook: Webhook, url: str, attempt: int) -> Delivery:
        meta: Json = {"attempt": attempt, "delivered_to": url}
        content = msgspec.json.encode({"data": webhook.data(), "meta": meta})
        delivery = Delivery(
            webhook.event_type,
            webhook.control_id,
            webhook.id,
            url,
            content,
            self.signed_headers(content),
            attempt,
        )
        await self.send(delivery)
        return delivery

    async def send(self, delivery: Delivery) -> None:
        """Send one request as it is, note what came of it, and keep both in the log."""
        loop = asyncio.get_running_loop()
        delivery.sent_at = loop.time()
        self.log.append(delivery)
        self.changes.notify()
        delivery.error, delivery.outcome = "abandoned", "retry"
        try:
            async with asyncio.timeout(self.ack_seconds):
                await self._exchange(delivery)
        except (aiohttp.ClientError, TimeoutError) as exc:
            delivery.error = f"no answer ({type(exc).__name__})"
        finally:
            delivery.answered_at = loop.time()
            self.changes.notify()

    async def _exchange(self, delivery: Delivery) -> None:
        target = local_url(delivery.url, self.origins)
        if target is None:
            raise aiohttp.InvalidURL(delivery.url, "no origin is known for it")
        headers = {
            "Host": urlsplit(delivery.url).netloc,
            "Content-Type": "application/json",
            "User-Agent": "telnyx-webhooks",
            **self.proxy_headers,
            **delivery.headers,
        }
        async with self.session.post(
            URL(target, encoded=True),
            data=delivery.content,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            delivery.body = (await response.read()).decode("utf-8", "replace")
            delivery.status = response.status
            delivery.error = ""
            delivery.outcome = _judge(response.status)


def _judge(status: int) -> _Outcome:
    if status // 100 == 2:
        return ""
    return "retry" if status in {408, 429} or status >= 500 else "lost"
