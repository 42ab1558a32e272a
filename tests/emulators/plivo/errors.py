"""How Plivo's API refuses."""

from collections.abc import Mapping
from uuid import uuid4

from aiohttp import web


class ApiError(Exception):
    """A refusal, as Plivo words it."""

    def __init__(self, status: int, error: object) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error

    def response(self, headers: Mapping[str, str] | None = None) -> web.Response:
        if self.status == 401:
            return web.Response(status=401, text=str(self.error), headers=headers)
        body = {"api_id": str(uuid4()), "error": self.error}
        return web.json_response(body, status=self.status, headers=headers)
