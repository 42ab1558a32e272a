"""Telnyx's and Plivo's administrations as small servers: one number, its application, one key."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web

OURS = "+15550001234"
CONNECTION = "1494404757140276705"
API_KEY = "KEY0123456789ABCDEF"
AUTH_ID = "MA0123456789ABCDEFGH"
AUTH_TOKEN = "plivo-token-6bd2"

Json = dict[str, object]
_NAMES = {"999": "old PBX", CONNECTION: "phones"}
_URL = re.compile(r"https?://")


@dataclass
class Telnyx:
    """`/v2` of Telnyx. A change of an application needs its name and its webhook URL."""

    number: Json = field(
        default_factory=lambda: {
            "id": "1293384261075731499",
            "phone_number": OURS,
            "status": "active",
            "connection_id": "999",
            "connection_name": "old PBX",
        }
    )
    application: Json = field(
        default_factory=lambda: {
            "id": CONNECTION,
            "application_name": "phones",
            "active": True,
            "webhook_event_url": "https://old.example.com/",
            "webhook_api_version": "1",
            "outbound": {"outbound_voice_profile_id": "1"},
        }
    )

    def state(self) -> Json:
        return {**self.application, **self.number}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            error = {"code": "10009", "title": "Authentication failed", "detail": f"not {API_KEY}"}
            return web.json_response({"errors": [error]}, status=401)
        match request.method, request.path:
            case "GET", "/v2/phone_numbers":
                wanted = request.query["filter[phone_number]"]
                # Telnyx finds what contains the text.
                found = [self.number] if wanted[1:] in str(self.number["phone_number"]) else []
                return web.json_response({"data": found})
            case "PATCH", path if path == f"/v2/phone_numbers/{self.number['id']}":
                change = await _body(request, {"connection_id"})
                self.number.update(change, connection_name=_NAMES[str(change["connection_id"])])
                return web.json_response({"data": self.number})
            case "GET", path if path == f"/v2/call_control_applications/{CONNECTION}":
                return web.json_response({"data": self.application})
            case "PATCH", path if path == f"/v2/call_control_applications/{CONNECTION}":
                fields = {"application_name", "webhook_event_url", "webhook_api_version"}
                change = await _body(request, fields)
                if not {"application_name", "webhook_event_url"} <= change.keys():
                    return web.json_response({"errors": []}, status=422)
                assert _URL.match(str(change["webhook_event_url"]))
                self.application.update(change)
                return web.json_response({"data": self.application})
            case _:
                return web.json_response({"errors": []}, status=404)


@dataclass
class Plivo:
    """`/v1/Account/{id}` of Plivo, whose paths all end in a slash."""

    application: str = "15784735442685051"
    """The id of the number's."""
    made: Json | None = None
    """The application that was made over the API."""

    def state(self) -> Json:
        return {"application": self.application}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        pair = b64encode(f"{AUTH_ID}:{AUTH_TOKEN}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {pair}":
            return web.Response(status=401, text=f"Could not verify {AUTH_ID}")
        root = f"/v1/Account/{AUTH_ID}/"
        match request.method, request.path.removeprefix(root):
            case "GET", "":
                return web.json_response({"account_type": "standard", "cash_credits": "20.0"})
            case "GET", "Number/15550001234/":
                uri = f"{root}Application/{self.application}/"
                return web.json_response({"application": uri, "voice_enabled": True})
            case "POST", "Number/15550001234/":
                change = await _body(request, {"app_id"})
                self.application = str(change["app_id"])
                return web.json_response({"message": "changed"}, status=202)
            case "GET", "Application/":
                others = {"app_id": "15784735442685051", "app_name": "openclaw-voice-call-2"}
                return web.json_response({"objects": [others, *([self.made] if self.made else [])]})
            case "POST", "Application/":
                change = await _body(request, _APPLICATION | {"app_name"})
                assert re.fullmatch(r"[A-Za-z0-9_-]+", str(change["app_name"]))
                self.made = {**change, "app_id": "77"}
                return web.json_response({"message": "created", "app_id": "77"}, status=201)
            case "POST", "Application/77/":
                assert self.made is not None
                self.made.update(await _body(request, _APPLICATION))
                return web.json_response({"message": "changed"}, status=202)
            case _:
                return web.json_response({"error": "not found"}, status=404)


_APPLICATION = {"answer_url", "answer_method", "hangup_url", "hangup_method"}


async def _body(request: web.Request, fields: set[str]) -> Json:
    assert request.content_type == "application/json"
    body = cast("Json", await request.json())
    assert body.keys() <= fields, body
    for name, value in body.items():
        assert not name.endswith("_method") or value in ("GET", "POST"), body
        assert not name.endswith("_url") or _URL.match(str(value)), body
    return body


@asynccontextmanager
async def serve(administration: Telnyx | Plivo) -> AsyncGenerator[str]:
    """Gives the origin."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", administration.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
