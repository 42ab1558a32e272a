"""Where public URLs lead on this machine, as a tunnel in between would know."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_SOCKETS = {"ws": "http", "wss": "https"}


def local_url(url: str, origins: Mapping[str, str]) -> str | None:
    """The http(s) URL behind a public one; for sockets that of their upgrade.

    Args:
        origins: public URL prefixes and what stands for them, the longest counts. Hosts that are
            not named here are not contacted: None.
    """
    parts = urlsplit(url)
    plain = parts._replace(scheme=_SOCKETS.get(parts.scheme, parts.scheme)).geturl()
    for public in sorted(origins, key=len, reverse=True):
        if plain.startswith(public):
            return origins[public] + plain.removeprefix(public)
    return plain if parts.hostname in {"127.0.0.1", "localhost", "::1"} else None
