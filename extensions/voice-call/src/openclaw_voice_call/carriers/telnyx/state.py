"""What we have Telnyx remember with a leg, as base64 of JSON. Pure.

Telnyx keeps one `client_state` for a leg, the newest that a command brought, and repeats it in
every later webhook, inside the signed body. It tells which call of ours the leg is and what the
line was told last; an answer names by it what it answers.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Final

import msgspec

LONGEST: Final = 1024
"""Characters; ours have about 150."""


class ClientState(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`doing` is the command's name; `script` and `step` are set for the verbs of a script."""

    call: str
    doing: str
    script: int | None = None
    step: int | None = None
    utterance: int | None = None


_decoder: Final = msgspec.json.Decoder(ClientState)


def encode_state(state: ClientState) -> str:
    return b64encode(msgspec.json.encode(state)).decode("ascii")


def decode_state(text: str | None) -> ClientState | None:
    """The state that a webhook carries; None when there is none, or none of ours."""
    if not text or len(text) > LONGEST:
        return None
    try:
        return _decoder.decode(b64decode(text, validate=True))
    except (Base64Error, ValueError, RecursionError):
        # Somebody else's: calls can also be placed with the API outside of this system.
        return None
