"""Our links as Plivo gets them: sealed, and with the connection overrides that we want.

Version 2 of Plivo's signature covers neither the query nor the form. Whoever has seen one such
request could send it again with another query, and so name any call and step. Therefore a link
that names a call carries a seal, an HMAC over what it names; under version 2 a link without its
seal is not believed. The key is derived from the account's auth token, which only Plivo and we
have: it survives a restart, is the same on every node, and is nowhere stored. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import parse_qsl

from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.interfaces.links import CallLinks, LinkTarget, read_link
from openclaw_voice_call.interfaces.media import StreamTicket

RETRIES: Final = "#rc=5&rp=ct,rt,5xx"
"""Connection overrides, which travel as a URL's fragment and are never sent to us: try five times
more after a failed or lost connection and after a 5xx, so that a restart of ours does not cost the
call. The default is once, and not after a 5xx."""

_SEAL: Final = "seal"
_SEAL_BYTES: Final = 16
_PURPOSE: Final = b"openclaw voice-call: links handed out to Plivo"


class LinkSeal:
    """Seals what a link names. Its repr shows no key."""

    def __init__(self, auth_token: str) -> None:
        self._key = hmac.digest(auth_token.encode(), _PURPOSE, hashlib.sha256)

    def of(self, target: LinkTarget) -> str:
        step = "" if target.step is None else f"{target.step.script}.{target.step.step}"
        text = f"{target.kind} {step} {target.call_id or ''}"
        return hmac.digest(self._key, text.encode(), hashlib.sha256)[:_SEAL_BYTES].hex()

    def holds(self, url: str) -> bool:
        """True if `url` (or a request target) names what its seal was made for."""
        query = parse_qsl(url.partition("#")[0].partition("?")[2], keep_blank_values=True)
        # Compared as bytes: text that is not ASCII cannot be compared in constant time.
        presented = dict(query).get(_SEAL, "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(self.of(read_link(url)).encode(), presented)


class PlivoLinks:
    """The links of calls, complete with seal and overrides."""

    def __init__(self, links: CallLinks, auth_token: str) -> None:
        self._links = links
        self._seal = LinkSeal(auth_token)

    def step(self, call_id: CallId, step: StepRef) -> str:
        return self._complete(self._links.step(call_id, step))

    def heard(self, call_id: CallId, step: StepRef) -> str:
        return self._complete(self._links.heard(call_id, step))

    def status(self, call_id: CallId) -> str:
        return self._complete(self._links.status(call_id))

    def stream_url(self, ticket: StreamTicket) -> str:
        """Raises NotSupported when live audio is switched off."""
        return self._links.stream_url(ticket)

    def stream_status(self, call_id: CallId) -> str:
        """As `status`, without the overrides, which Plivo does not take here."""
        return self.status(call_id).removesuffix(RETRIES)

    def fallback(self, call_id: CallId) -> str:
        return self._complete(self._links.fallback(call_id))

    def _complete(self, link: str) -> str:
        return f"{link}&{_SEAL}={self._seal.of(read_link(link))}{RETRIES}"
