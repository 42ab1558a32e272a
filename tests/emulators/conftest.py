"""Parts shared by the emulators' own tests."""

from collections.abc import AsyncGenerator

import pytest

from tests.emulators.gateway_double import WebhookApp


@pytest.fixture
async def app() -> AsyncGenerator[WebhookApp]:
    """A gateway double that is being served."""
    async with WebhookApp().serve() as app:
        yield app
