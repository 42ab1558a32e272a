"""What the requests of carriers that fetch documents have in common: forms, speech, links. Pure.

Bytes that are not UTF-8 are decoded to surrogates, so that a signature can be computed over exactly
what was on the wire; only then are they refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from openclaw_voice_call.call.events import CallEvent, Heard, LineEnded, StepReached
from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.errors import WebhookMalformed
from openclaw_voice_call.interfaces.carrier import WebhookRequest
from openclaw_voice_call.interfaces.links import LinkKind, LinkTarget

MAX_PARAMETERS: Final = 256
"""Names in a query or a form; carriers send about 30. More is not looked at."""
SPEECH_LIMIT: Final = 4000
"""Characters of one recognised utterance that are used."""

_FORM: Final = "application/x-www-form-urlencoded"
_KEYS: Final = re.compile(r"[0-9A-D*#]{1,64}")

Pairs: TypeAlias = Sequence[tuple[str, str]]


def is_form(request: WebhookRequest) -> bool:
    content_type = request.header("content-type") or ""
    return content_type.partition(";")[0].strip().lower() == _FORM


def form_pairs(request: WebhookRequest) -> Pairs:
    """The pairs of the form in the body. Raises WebhookMalformed for too many."""
    return _pairs(request.body.decode("utf-8", "surrogateescape"))


def query_pairs(url: str) -> Pairs:
    """The pairs of the query of `url`. Raises WebhookMalformed for too many."""
    return _pairs(url.partition("#")[0].partition("?")[2])


def _pairs(text: str) -> Pairs:
    try:
        return decoded_pairs(text)
    except ValueError:
        raise WebhookMalformed(f"more than {MAX_PARAMETERS} parameters") from None


def decoded_pairs(text: str) -> Pairs:
    """The decoded pairs of a query or a form, blank values included.

    Raises ValueError for more than `MAX_PARAMETERS`.
    """
    return parse_qsl(
        text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_PARAMETERS
    )


def wire_bytes(text: str) -> bytes:
    """Decoded text as it was on the wire."""
    return text.encode("utf-8", "surrogateescape")


def params_of(pairs: Pairs) -> dict[str, str]:
    """The parameters by name, the last of repeated ones. Raises WebhookMalformed if not UTF-8."""
    params = dict(pairs)
    text = "".join((*params, *params.values()))
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise WebhookMalformed("a parameter is not UTF-8")
    return params


def events_of(
    link: LinkTarget, leg: CallEvent, *, speech: str, confidence: str, keys: str
) -> list[CallEvent]:
    """What a request to `link` tells: of the leg, and of what was heard or reached there."""
    ended = isinstance(leg, LineEnded)
    if link.step is not None and link.kind is LinkKind.HEARD:
        words = _heard(link.step, speech, confidence, keys)
        if words is not None:
            # Words may arrive with the end of the call: they were said before it.
            return [words, leg] if ended else [leg, words]
    elif link.step is not None and link.kind is LinkKind.STEP and not ended:
        return [leg, StepReached(link.step.script, link.step.step)]
    return [leg]


def _heard(step: StepRef, speech: str, confidence: str, keys: str) -> Heard | None:
    text = speech.strip()[:SPEECH_LIMIT].strip()
    if text:
        return Heard(text, script=step.script, confidence=_confidence(confidence))
    if _KEYS.fullmatch(keys):
        return Heard(keys, script=step.script, keyed=True)
    return None


def _confidence(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0.0 <= number <= 1.0 else None
