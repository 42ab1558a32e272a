"""How Twilio calls the gateway: signed requests, time limits, retries, and a log of all of it.

Facts: Twilio's pages on webhook security and on connection overrides.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
from multidict import MultiDict
from twilio.request_validator import RequestValidator  # pyright: ignore[reportMissingTypeStubs]
from yarl import URL

from tests.emulators.clock import Changes
from tests.emulators.courier import Courier, Lost
from tests.emulators.origins import local_url
from tests.emulators.twilio.calls import Form

MAX_ANSWER = 1 << 20
MAX_REDIRECTS = 10
MAX_LOG = 200_000

Kind: TypeAlias = Literal["document", "fallback", "status", "partial", "amd", "stream"]
_Outcome: TypeAlias = Literal["", "ct", "rt", "4xx", "5xx"]
"""Empty is success; the others are the failures that a retry policy names.

A connection that is lost after it was made counts as `rt`, so the default policy (`ct`) does not
retry it; Twilio documents neither that nor how long it waits before a retry.
"""
_FORM = "application/x-www-form-urlencoded; charset=UTF-8"


class CarrierError(Exception):
    """What Twilio reports in its debugger: an error code and a text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Webhook:
    """One thing to tell or ask the gateway; the URL may carry connection overrides."""

    kind: Kind
    call_sid: str
    url: str
    method: str
    params: Form


@dataclass
class Delivery:
    """One HTTP request to the gateway, and what came back. `url` is the one that was signed for."""

    kind: str
    call_sid: str
    url: str
    method: str
    params: Form
    headers: dict[str, str]
    attempt: int = 1
    status: int | None = None
    """HTTP status; None while unanswered, or when no answer came (see `error`)."""
    content_type: str = ""
    body: str = ""
    error: str = ""
    outcome: _Outcome = ""
    location: str = ""
    sent_at: float = 0.0
    answered_at: float = 0.0
    """Seconds of the event loop's clock."""

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.params)


@dataclass(frozen=True)
class Overrides:
    """Connection overrides, from the fragment of a webhook's URL; times in seconds."""

    connect: float = 5.0
    read: float = 15.0
    total: float = 15.0
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})
    problems: tuple[str, ...] = ()

    def retry(self, outcome: _Outcome) -> bool:
        return bool(outcome) and bool(self.policy & {outcome, "all"})


def parse_overrides(fragment: str) -> Overrides:
    """Read `ct=..&rt=..&tt=..&rc=..&rp=..`; what Twilio would not take is named in `problems`."""
    problems: list[str] = []
    fields = dict(parse_qsl(fragment, keep_blank_values=True))

    def number(name: str, default: int, low: int, high: int) -> int:
        value = fields.pop(name, str(default))
        if value.isdecimal() and low <= int(value) <= high:
            return int(value)
        problems.append(f"#{name}={value} is not within {low}-{high}")
        return default

    policy = frozenset(fields.pop("rp", "ct").split(","))
    if unknown := policy - {"4xx", "5xx", "ct", "rt", "all"}:
        problems.append(f"#rp: unknown {', '.join(sorted(unknown))}")
    overrides = Overrides(
        connect=number("ct", 5000, 100, 10000) / 1000,
        read=number("rt", 15000, 100, 15000) / 1000,
        total=number("tt", 15000, 100, 15000) / 1000,
        retries=number("rc", 1, 0, 5),
        policy=policy,
    )
    fields.pop("sni", None)
    fields.pop("e", None)
    problems += [f"#{name}: no such override" for name in fields]
    return replace(overrides, problems=tuple(problems))


@dataclass
class WebhookSender:
    """Delivers webhooks to the gateway.

    Args:
        origins: public URL prefixes and the local ones behind them, as a tunnel would map them.
            Public hosts that are not named here are never contacted.
        proxy_headers: what such a tunnel adds to every request.
        time_limit: real seconds for a request with all its retries.
        retry_gap: real seconds before a retry.
    """

    auth_token: str
    session: aiohttp.ClientSession
    changes: Changes
    courier: Courier[Webhook]
    violations: list[str]
    origins: Mapping[str, str]
    proxy_headers: Mapping[str, str]
    time_limit: float = 15.0
    retry_gap: float = 0.05
    sign_with_port: bool = False
    log: deque[Delivery] = field(default_factory=lambda: deque[Delivery](maxlen=MAX_LOG))

    def sign(self, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
        """The signature for a form POST to this URL, by the official package."""
        # The package takes any mapping with getall(), though it has no types to say so.
        validator = RequestValidator(self.auth_token)
        return validator.compute_signature(  # pyright: ignore[reportUnknownMemberType]
            self.signed_url(url), MultiDict(params)
        )

    def signed_url(self, url: str) -> str:
        """The URL as Twilio signs it: without fragment, and with TLS without a port."""
        parts = urlsplit(urldefrag(url).url)
        if parts.scheme in {"https", "wss"} and parts.port is not None and not self.sign_with_port:
            host = parts.netloc.rpartition(":")[0]
            return urlunsplit(parts._replace(netloc=host))
        return urldefrag(url).url

    async def deliver(self, webhook: Webhook) -> Delivery:
        """Deliver with the faults that are due, and return the answer.

        Raises:
            CarrierError: no usable answer came, after all retries.
        """
        token = str(uuid4())
        try:
            return await self.courier.deliver(
                webhook, webhook.call_sid, lambda: self._with_retries(webhook, token)
            )
        except Lost:
            raise CarrierError(11205, f"lost on the way: {webhook.url}") from None

    async def _with_retries(self, webhook: Webhook, token: str) -> Delivery:
        overrides = parse_overrides(urldefrag(webhook.url).fragment)
        self.violations += [f"{webhook.url}: {problem}" for problem in overrides.problems]
        attempt = 1
        try:
            async with asyncio.timeout(min(self.time_limit, overrides.total)):
                delivery = await self._attempt(webhook, token, attempt, overrides)
                while attempt <= overrides.retries and overrides.retry(delivery.outcome):
                    await asyncio.sleep(self.retry_gap)
                    attempt += 1
                    delivery = await self._attempt(webhook, token, attempt, overrides)
        except TimeoutError:
            raise CarrierError(11205, f"no answer in time: {webhook.url}") from None
        if delivery.error:
            raise CarrierError(11205, f"{delivery.error}: {webhook.url}")
        if delivery.outcome:
            raise CarrierError(11200, f"HTTP status {delivery.status}: {webhook.url}")
        return delivery

    async def _attempt(
        self, webhook: Webhook, token: str, attempt: int, overrides: Overrides
    ) -> Delivery:
        url, method, params = urldefrag(webhook.url).url, webhook.method, webhook.params
        for _ in range(MAX_REDIRECTS + 1):
            if method == "GET" and params:
                url += ("&" if "?" in url else "?") + urlencode(params)
                params = ()
            headers = {
                "X-Twilio-Signature": self.sign(url, params),
                "I-Twilio-Idempotency-Token": token,
            }
            delivery = Delivery(
                webhook.kind, webhook.call_sid, url, method, params, headers, attempt
            )
            await self.send(delivery, overrides)
            if not delivery.location:
                return delivery
            # What was redirected is asked again with GET, so its body is lost.
            url, method, params = urljoin(url, delivery.location), "GET", ()
        raise CarrierError(11215, f"too many redirects: {webhook.url}")

    async def send(self, delivery: Delivery, overrides: Overrides) -> None:
        """Send one request as it is, note what came of it, and keep both in the log."""
        loop = asyncio.get_running_loop()
        delivery.sent_at = loop.time()
        self.log.append(delivery)
        self.changes.notify()
        delivery.error, delivery.outcome = "abandoned", "rt"
        try:
            await self._exchange(delivery, overrides)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as exc:
            delivery.error, delivery.outcome = f"not connected ({type(exc).__name__})", "ct"
        except (aiohttp.ClientError, TimeoutError) as exc:
            delivery.error, delivery.outcome = f"no answer ({type(exc).__name__})", "rt"
        finally:
            delivery.answered_at = loop.time()
            self.changes.notify()

    async def _exchange(self, delivery: Delivery, overrides: Overrides) -> None:
        target = local_url(delivery.url, self.origins)
        if target is None:
            raise CarrierError(11210, f"no origin is known for {delivery.url}")
        form = urlencode(delivery.params).encode() if delivery.method == "POST" else None
        headers = {
            "Host": urlsplit(delivery.url).netloc,
            "Accept": "*/*",
            "User-Agent": "TwilioProxy/1.1",
            **({"Content-Type": _FORM} if form is not None else {}),
            **self.proxy_headers,
            **delivery.headers,
        }
        async with self.session.request(
            delivery.method,
            # What was signed is sent: no decoding and encoding again on the way.
            URL(target, encoded=True),
            data=form,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=overrides.connect, sock_read=overrides.read
            ),
        ) as response:
            body = await response.content.read(MAX_ANSWER)
            while chunk := await response.content.read(MAX_ANSWER - len(body)):
                body += chunk
            delivery.status = response.status
            delivery.content_type = response.content_type if body else ""
            delivery.body = body.decode("utf-8", "replace")
            delivery.location = (
                response.headers.get("Location", "") if 300 <= response.status < 400 else ""
            )
            delivery.error = ""
            delivery.outcome = _judge(response.status)


def _judge(status: int) -> _Outcome:
    if status < 400:
        return ""
    return "4xx" if status < 500 else "5xx"
