"""How Plivo calls the gateway: signed requests, time limits, retries, and a log of all of it.

Version 3 is signed by the official package; for version 2 that package can only verify.
"""

import asyncio
import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal, Protocol, TypeAlias, cast
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit

import aiohttp
from plivo.utils import signature_v3  # pyright: ignore[reportMissingTypeStubs]
from yarl import URL

from tests.emulators.clock import Changes
from tests.emulators.courier import Courier, Lost
from tests.emulators.origins import local_url
from tests.emulators.plivo.calls import Form

MAX_ANSWER = 1 << 20
MAX_LOG = 200_000

Kind: TypeAlias = Literal[
    "answer", "fallback", "action", "redirect", "transfer", "ring", "hangup", "stream"
]
Signatures: TypeAlias = Literal["both", "v3", "v2"]
_Outcome: TypeAlias = Literal["", "ct", "rt", "4xx", "5xx"]
"""Empty is success; the others are the failures that a retry policy names."""
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_REGIONS = {
    "nearest", "local", "n_california", "n_virginia", "frankfurt", "singapore", "mumbai"
}  # fmt: skip


class _Signer(Protocol):
    """The functions of the official package that sign, which have no types."""

    def construct_get_url(self, uri: str, params: dict[str, list[str]]) -> bytes: ...
    def construct_post_url(self, uri: str, params: dict[str, list[str]]) -> bytes: ...
    def get_signature_v3(self, auth_token: bytes, base_url: str, nonce: str) -> bytes: ...


_official = cast("_Signer", signature_v3)


class Unreachable(Exception):
    """No usable answer came."""


@dataclass(frozen=True)
class Webhook:
    """One thing to tell or ask the gateway; the URL may carry connection overrides."""

    kind: Kind
    call_uuid: str
    url: str
    method: str
    params: Form


@dataclass
class Delivery:
    """One HTTP request to the gateway, and what came back. `url` is the one that was signed for."""

    kind: str
    call_uuid: str
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
    sent_at: float = 0.0
    answered_at: float = 0.0
    """Seconds of the event loop's clock."""

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.params)


@dataclass(frozen=True)
class Overrides:
    """Connection overrides, from the fragment of a URL; times in seconds."""

    connect: float = 2.0
    read: float = 40.0
    total: float = 55.0
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct", "rt"})
    problems: tuple[str, ...] = ()

    def retry(self, outcome: _Outcome) -> bool:
        return bool(outcome) and bool(self.policy & {outcome, "all"})


def parse_overrides(fragment: str) -> Overrides:
    """Read `ct=..&rt=..&tt=..&rc=..&rp=..&er=..`; what Plivo would not take is in `problems`."""
    problems: list[str] = []
    fields = dict(parse_qsl(fragment, keep_blank_values=True))

    def number(name: str, default: int, low: int, high: int) -> int:
        value = fields.pop(name, str(default))
        if value.isdecimal() and low <= int(value) <= high:
            return int(value)
        problems.append(f"#{name}={value} is not within {low}-{high}")
        return default

    policy = frozenset(fields.pop("rp", "ct,rt").split(","))
    if unknown := policy - {"4xx", "5xx", "ct", "rt", "all"}:
        problems.append(f"#rp: unknown {', '.join(sorted(unknown))}")
    if (region := fields.pop("er", "nearest")) not in _REGIONS:
        problems.append(f"#er: unknown {region}")
    overrides = Overrides(
        connect=number("ct", 2000, 100, 10_000) / 1000,
        read=number("rt", 40_000, 100, 40_000) / 1000,
        total=number("tt", 55_000, 100, 55_000) / 1000,
        retries=number("rc", 1, 0, 5),
        policy=policy,
    )
    problems += [f"#{name}: no such override" for name in fields]
    return replace(overrides, problems=tuple(problems))


@dataclass
class WebhookSender:
    """Delivers webhooks to the gateway.

    Args:
        origins: public URL prefixes and the local ones behind them, as a tunnel would map them.
            Public hosts that are not named here are never contacted.
        proxy_headers: what such a tunnel adds to every request.
        time_limit: real seconds for a request with all its retries; overrides can only shorten it.
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
    signatures: Signatures = "both"
    main_token: str = ""
    log: deque[Delivery] = field(default_factory=lambda: deque[Delivery](maxlen=MAX_LOG))
    _nonces: "count[int]" = field(default_factory=lambda: count(31627761595286130198))

    def sign(self, url: str, method: str, params: Form) -> dict[str, str]:
        """The genuine headers of a request to this public URL, with a nonce of their own."""
        nonce = str(next(self._nonces))
        main = self.main_token or self.auth_token
        headers: dict[str, str] = {}
        if self.signatures != "v2":
            headers |= {
                "X-Plivo-Signature-V3": sign_v3(self.auth_token, url, method, params, nonce),
                "X-Plivo-Signature-Ma-V3": sign_v3(main, url, method, params, nonce),
                "X-Plivo-Signature-V3-Nonce": nonce,
            }
        if self.signatures != "v3":
            headers |= {
                "X-Plivo-Signature-V2": sign_v2(self.auth_token, url, nonce),
                "X-Plivo-Signature-Ma-V2": sign_v2(main, url, nonce),
                "X-Plivo-Signature-V2-Nonce": nonce,
            }
        return headers

    async def deliver(self, webhook: Webhook) -> Delivery:
        """Deliver with the faults that are due, and return the answer.

        Raises:
            Unreachable: no usable answer came, after all retries.
        """
        try:
            return await self.courier.deliver(
                webhook, webhook.call_uuid, lambda: self._with_retries(webhook)
            )
        except Lost:
            raise Unreachable(f"lost on the way: {webhook.url}") from None

    async def _with_retries(self, webhook: Webhook) -> Delivery:
        overrides = parse_overrides(urldefrag(webhook.url).fragment)
        self.violations += [f"{webhook.url}: {problem}" for problem in overrides.problems]
        attempt = 1
        try:
            async with asyncio.timeout(min(self.time_limit, overrides.total)):
                delivery = await self._attempt(webhook, attempt, overrides)
                while attempt <= overrides.retries and overrides.retry(delivery.outcome):
                    await asyncio.sleep(self.retry_gap)
                    attempt += 1
                    delivery = await self._attempt(webhook, attempt, overrides)
        except TimeoutError:
            raise Unreachable(f"no answer in time: {webhook.url}") from None
        if delivery.error:
            raise Unreachable(f"{delivery.error}: {webhook.url}")
        if delivery.outcome:
            raise Unreachable(f"HTTP status {delivery.status}: {webhook.url}")
        return delivery

    async def _attempt(self, webhook: Webhook, attempt: int, overrides: Overrides) -> Delivery:
        url, params = urldefrag(webhook.url).url, webhook.params
        if webhook.method == "GET" and params:
            url += ("&" if "?" in url else "?") + urlencode(params)
            params = ()
        headers = self.sign(url, webhook.method, params)
        delivery = Delivery(
            webhook.kind, webhook.call_uuid, url, webhook.method, params, headers, attempt
        )
        await self.send(delivery, overrides)
        return delivery

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
            raise Unreachable(f"no origin is known for {delivery.url}")
        form = urlencode(delivery.params).encode() if delivery.method == "POST" else None
        headers = {
            "Host": urlsplit(delivery.url).netloc,
            "Accept": "*/*",
            "User-Agent": "Plivo",
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
            delivery.error = ""
            delivery.outcome = _judge(response.status)


def sign_v3(token: str, url: str, method: str, params: Form, nonce: str) -> str:
    """By the official package."""
    fields: dict[str, list[str]] = {}
    for name, value in params:
        fields.setdefault(name, []).append(value)
    make = _official.construct_get_url if method == "GET" else _official.construct_post_url
    return _official.get_signature_v3(token.encode(), make(url, fields).decode(), nonce).decode()


def sign_v2(token: str, url: str, nonce: str) -> str:
    text = url.partition("?")[0] + nonce
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha256)).decode()


def _judge(status: int) -> _Outcome:
    if status < 300:
        return ""
    return "5xx" if status >= 500 else "4xx"
