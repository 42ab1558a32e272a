"""Secrets never leave the process: what counts as one, and how it is replaced.

A secret is known by the name of its key, by its pydantic type, or by standing beneath such a key.
"""

import re

from openclaw.config.tree import Part, is_list, is_tree

REDACTED = "__OPENCLAW_REDACTED__"

_SECRET_KEY = re.compile(
    r"token$|tokens$|password|passwd|passphrase|secret|api_?-?key|private_?-?key|credential"
    r"|^auth_?-?id$|account_?-?sid$|^authorization$|cookie|^key$|^pin$",
    re.IGNORECASE,
)
# They end like a secret, and are counts or names.
_PLAIN_KEY = re.compile(r"^(max|min|context|total|reserve|keep)\w*tokens$", re.IGNORECASE)
# Everything beneath these is a secret, whatever its own key: HTTP headers carry credentials
# under any name, and environment blocks exist to hold keys.
_SECRET_CONTAINER = frozenset({"headers", "env", "vars"})
# In gateway.auth and gateway.remote all is secret but this: a mistyped key must uncover nothing.
_BLOCKS = (["auth"], ["remote"])
_PLAIN_IN_BLOCK = frozenset(
    {
        "mode",
        "rateLimit",
        "url",
        "transport",
        "sshTarget",
        "userHeader",
        "requiredHeaders",
        "allowUsers",
    }
)


def is_secret_key(key: str) -> bool:
    """Whether a value under this key is a secret, e.g. `authToken`, `apiKey`, `private_key`."""
    return bool(_SECRET_KEY.search(key)) and not _PLAIN_KEY.search(key)


def is_secret_path(parts: tuple[Part, ...]) -> bool:
    """Whether the value at this path is, or is part of, a secret."""
    names = [part for part in parts if isinstance(part, str)]
    if any(is_secret_key(name) or name in _SECRET_CONTAINER for name in names):
        return True
    inside = names[2:] if names[:1] == ["gateway"] and names[1:2] in _BLOCKS else []
    return bool(inside) and not _PLAIN_IN_BLOCK.intersection(inside)


def is_secret_value(value: object) -> bool:
    """Whether the type says that this is a secret (pydantic's SecretStr and SecretBytes).

    Told by the method those types share, so that light clients need not import pydantic.
    """
    return hasattr(value, "get_secret_value")


def redact(value: object, parts: tuple[Part, ...] = ()) -> object:
    """A copy with each secret replaced by `REDACTED`; empty and absent ones stay as they are.

    `parts` is the path of `value`, so that a part of the configuration can be redacted alone.
    """
    if is_tree(value):
        return {key: redact(item, (*parts, key)) for key, item in value.items()}
    if is_list(value):
        return [redact(item, (*parts, index)) for index, item in enumerate(value)]
    if is_secret_value(value):
        return REDACTED
    hidden = is_secret_path(parts) and value not in (None, "") and not isinstance(value, bool)
    return REDACTED if hidden else value
