"""The floor: an aiohttp handler that checks Twilio's HMAC, answers, and does nothing else.

Started as `python -m benchmarks.bare <port>`.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import sys

from aiohttp import web

from benchmarks.traffic import AUTH_TOKEN, PATH, PUBLIC_URL

CALL = "0d9ecf60-8f2d-4d0c-9d0e-6a4c4e1b2a7f"
LINK = f"{PUBLIC_URL}?type=step&amp;call={CALL}&amp;script=3&amp;step=1"
DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><Response>'
    f'<Gather input="speech dtmf" action="{LINK}" method="POST" timeout="5" />'
    f'<Redirect method="POST">{LINK}</Redirect></Response>'
).encode()


async def webhook(request: web.Request) -> web.Response:
    form = await request.post()
    fields = "".join(f"{name}{value}" for name, value in sorted(form.items()) if value)
    signed = f"{PUBLIC_URL}{'?' if request.query_string else ''}{request.query_string}{fields}"
    expected = base64.b64encode(hmac.digest(AUTH_TOKEN.encode(), signed.encode(), "sha1"))
    if not hmac.compare_digest(expected, request.headers["X-Twilio-Signature"].encode()):
        return web.Response(status=401)
    return web.Response(body=DOCUMENT, content_type="text/xml")


def main() -> None:
    app = web.Application()
    app.router.add_post(PATH, webhook)
    port = int(sys.argv[1])
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=_new_loop())


def _new_loop() -> asyncio.AbstractEventLoop:
    """The kind that the gateway takes."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if __name__ == "__main__":
    main()
