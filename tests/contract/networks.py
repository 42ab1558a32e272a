"""The phone companies that the suite runs over, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias, TypeVar

from tests.contract.mock import open_mock
from tests.contract.network import Company, Network
from tests.contract.plivo import open_plivo
from tests.contract.telnyx import open_telnyx
from tests.contract.twilio import open_twilio
from tests.emulators.people import Person

NetworkT_co = TypeVar("NetworkT_co", bound=Network, covariant=True)
Open: TypeAlias = Callable[
    [int, Mapping[str, Person], Mapping[str, Person], float],
    AbstractAsyncContextManager[NetworkT_co],
]
"""With the port of the webhook server, whom we can call, who calls us, and the speed."""

COMPANIES: Final[Mapping[str, Open[Company]]] = {
    "twilio": open_twilio,
    "telnyx": open_telnyx,
    "plivo": open_plivo,
}
"""Those with an API and a network, both of which may fail."""

NETWORKS: Final[Mapping[str, Open[Network]]] = {"mock": open_mock, **COMPANIES}
