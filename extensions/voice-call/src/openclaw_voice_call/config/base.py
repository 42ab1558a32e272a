"""What the sections of the plugin's configuration have in common."""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    Strict,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

BASE_PATH: Final = "plugins.entries.voice-call.config"
"""Where the section stands in the file."""
E164: Final = r"^\+[1-9]\d{1,14}$"

_T = TypeVar("_T")
_REFERENCE = re.compile(r"\$\{([^${}]+)\}")


class Section(BaseModel):
    """An object of the file: keys in camelCase, all known, no value converted.

    In code a field is also set by its Python name; `parse_config` takes the file's names alone.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


def unresolved_reference(value: str) -> str | None:
    """The name in a `${NAME}` that the host could not replace, None in a value without one."""
    match = _REFERENCE.search(value)
    return match[1] if match else None


def _empty_is_unset(value: object) -> object:
    return None if value == "" else value


def _url(*schemes: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        try:
            url = urlsplit(value)
            port_is_valid = url.port is None or url.port > 0
        except ValueError:
            raise ValueError("not a URL") from None
        if url.scheme not in schemes or not url.hostname or not port_is_valid:
            raise ValueError(f"expected a URL that begins with {' or '.join(schemes)}://")
        if url.username or url.password:
            raise ValueError("a URL with credentials in it is not allowed here")
        if url.query or url.fragment or any(c.isspace() for c in value):
            raise ValueError("expected a URL without query, fragment or space")
        return value

    return check


def _host(value: str) -> str:
    if "/" in value or "@" in value or any(c.isspace() for c in value):
        raise ValueError("expected a host name without scheme and path")
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("expected an IP address or a network such as 10.0.0.0/8") from None
    return value


class Unset:
    """Marks a field whose empty string means that it is not set."""


Maybe = Annotated[_T | None, BeforeValidator(_empty_is_unset), Unset()]
"""A value that may be left out; an empty string leaves it out too."""
Secret = Annotated[SecretStr | None, BeforeValidator(_empty_is_unset), Unset()]
Text = Maybe[str]
Items = Annotated[tuple[_T, ...], Strict(False)]
"""An array of the file."""
Choice = Annotated[_T, Strict(False)]
"""One of an enumeration's values, written as text."""

PhoneNumber = Annotated[str, StringConstraints(pattern=E164)]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0, le=1)]
NonEmpty = Annotated[str, StringConstraints(min_length=1)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[^?#\s]*$")]
HttpUrl = Annotated[str, AfterValidator(_url("https", "http"))]
StreamUrl = Annotated[str, AfterValidator(_url("wss", "ws", "https", "http"))]
Host = Annotated[str, StringConstraints(min_length=1), AfterValidator(_host)]
Network = Annotated[str, AfterValidator(_network)]
