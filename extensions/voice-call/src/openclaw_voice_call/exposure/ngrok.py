"""A public URL through the ngrok agent, run as a supervised child.

The agent's executable, and not the `ngrok` package: that one is native code inside our process,
which can neither be killed when it hangs nor be replaced by a fake in tests; the executable is what
owners have installed and signed in, and one program for everybody. Its token travels in the
environment (NGROK_AUTHTOKEN): command lines can be read by every user of the machine.
"""

from __future__ import annotations

import asyncio
from asyncio import Future, Task
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from openclaw_voice_call.errors import ExposureFailed
from openclaw_voice_call.exposure.ngrok_log import (
    AgentError,
    SessionFound,
    SessionLost,
    TunnelStarted,
    domain_name,
    failure,
    public_origin,
    read_line,
)
from openclaw_voice_call.exposure.output import Redaction
from openclaw_voice_call.exposure.process import Child, child_env, delays, find_program
from openclaw_voice_call.exposure.setup import ExposureSetup
from openclaw_voice_call.exposure.urls import local_origin, plan_urls
from openclaw_voice_call.interfaces.exposure import ExposureNews, ExposureState, PublicUrls

REASONS_KEPT: Final = 6


def build(setup: ExposureSetup) -> Ngrok:
    """The agent for `tunnel.provider` `ngrok`."""
    return Ngrok(setup)


class Ngrok:
    """Implements `interfaces.exposure.Exposure`.

    An agent that ends is started again, after growing delays, for as long as this is open. One that
    comes back with another URL is given up (`MOVED`): carriers hold links that name the old one.
    """

    def __init__(self, setup: ExposureSetup) -> None:
        self._setup = setup
        vendors = setup.credentials.vendors
        token = vendors.ngrok_token
        self._token = None if token is None else token.get_secret_value()
        self._redact = Redaction([] if self._token is None else [self._token])
        self._domain = vendors.ngrok_domain
        self._delay = delays(setup.pace.first_retry_s, setup.pace.longest_retry_s)
        self._running: Task[None] | None = None
        self._failed: ExposureFailed | None = None
        """Of the newest attempt."""
        self._moved: str | None = None
        self._lost = False

    @property
    def name(self) -> str:
        return self._setup.name

    async def open(self) -> PublicUrls:
        """Raises ExposureFailed: no agent, no permission, or no URL within `Pace.open_s`."""
        env = child_env(self._setup.environ)
        if self._token is not None:
            env["NGROK_AUTHTOKEN"] = self._token
        program = find_program("ngrok", env)
        if program is None:
            raise ExposureFailed(
                self.name,
                "the ngrok agent is not installed, or not on the gateway's PATH",
                remedy="install it: https://ngrok.com/download, or set publicUrl",
            )
        opened: Future[PublicUrls] = asyncio.get_running_loop().create_future()
        work = self._keep_running([program, *self._arguments()], env, opened)
        self._running = self._setup.tasks.spawn("ngrok", work)
        done, _ = await asyncio.wait({opened}, timeout=self._setup.pace.open_s)
        if done:
            return opened.result()
        opened.cancel()
        raise self._failed or failure((), None)

    async def withdraw(self) -> None:
        task, self._running = self._running, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=self._setup.pace.patience.longest_s)

    def _arguments(self) -> list[str]:
        serve = self._setup.config.serve
        local = local_origin(serve.bind, serve.port)
        arguments = ["http", local, "--log", "stdout", "--log-format", "json"]
        if self._domain is not None:
            arguments += ["--url", f"https://{domain_name(self._domain)}"]
        return arguments

    async def _keep_running(
        self, argv: Sequence[str], env: Mapping[str, str], opened: Future[PublicUrls]
    ) -> None:
        """Ends by cancellation, when no first URL is to be had, or when it has moved."""
        clock, pace = self._setup.clock, self._setup.pace
        attempt = 0
        while not opened.cancelled():
            began = clock.monotonic()
            self._failed = failed = await self._run_once(argv, env, opened)
            if self._moved is not None:
                self._tell(ExposureState.MOVED, self._moved)
                return
            if opened.done():
                self._lose(failed.reason)
            elif not failed.may_pass:
                opened.set_exception(failed)
                return
            lasted = clock.monotonic() - began >= pace.longest_retry_s
            attempt = 1 if lasted else attempt + 1
            await clock.sleep(self._delay(attempt))

    async def _run_once(
        self, argv: Sequence[str], env: Mapping[str, str], opened: Future[PublicUrls]
    ) -> ExposureFailed:
        """Run the agent until it ends, or until it gives a URL that cannot be used."""
        reasons: deque[str] = deque(maxlen=REASONS_KEPT)
        unusable: Future[ExposureFailed] = asyncio.get_running_loop().create_future()
        serving = False

        def heard(line: str) -> None:
            nonlocal serving
            match read_line(line):
                case TunnelStarted(url):
                    problem = self._started(url, opened)
                    serving = problem is None
                    if problem is not None and not unusable.done():
                        unusable.set_result(problem)
                case SessionFound() if serving:
                    self._find()
                case SessionLost(reason):
                    reasons.append(reason)
                    if serving:
                        self._lose(reason)
                case AgentError(text):
                    reasons.append(text)
                    self._failed = failure(tuple(reasons), None)
                case _:
                    pass

        try:
            child = await Child.start(
                argv, env, redact=self._redact, patience=self._setup.pace.patience
            )
        except OSError as error:
            return ExposureFailed(self.name, f"cannot start the agent: {error}", retryable=True)
        try:
            async with asyncio.TaskGroup() as group:
                ending = group.create_task(child.follow(heard))
                await asyncio.wait((ending, unusable), return_when=asyncio.FIRST_COMPLETED)
                ending.cancel()
        finally:
            await child.stop()
        if unusable.done():
            return unusable.result()
        # Without an error of its own, the last thing it said is the best that there is.
        return failure(tuple(reasons) or tuple(child.tail)[-1:], ending.result())

    def _started(self, url: str, opened: Future[PublicUrls]) -> ExposureFailed | None:
        """Take up the URL that the agent gave; says why if that cannot be."""
        try:
            urls = plan_urls(public_origin(url, self._domain), self._setup.config)
        except ExposureFailed as failed:
            return failed
        if not opened.done():
            opened.set_result(urls)
            return None
        if opened.cancelled() or urls == opened.result():
            self._find()
            return None
        self._moved = (
            f"the tunnel came back as {urls.webhook} instead of {opened.result().webhook}, which "
            "carriers were given; it is opened anew when no call is up. Point the number there "
            "with: openclaw voicecall setup --apply, or set tunnel.ngrokDomain to keep one URL"
        )
        return ExposureFailed(self.name, self._moved)

    def _find(self) -> None:
        if self._lost:
            self._lost = False
            self._tell(ExposureState.RESTORED, "the tunnel is open again")

    def _lose(self, reason: str) -> None:
        """Said once for each loss."""
        if not self._lost:
            self._lost = True
            self._tell(ExposureState.LOST, reason)

    def _tell(self, state: ExposureState, reason: str) -> None:
        self._setup.report(ExposureNews(self.name, state, reason))
