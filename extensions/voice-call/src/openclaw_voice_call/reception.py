"""Who may call us, and what they hear first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from openclaw.sdk import Clock
from openclaw_voice_call.call import pairing
from openclaw_voice_call.call.opening import InboundPolicy, Refusal, admit_inbound
from openclaw_voice_call.call.pairing import Approval, PairingRequest
from openclaw_voice_call.call.phone import normalise
from openclaw_voice_call.call.types import Direction, Mode
from openclaw_voice_call.config.live import greeting
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.errors import PairingNotFound
from openclaw_voice_call.interfaces.carrier import InboundOffer
from openclaw_voice_call.interfaces.store import PairingStore

PAIRING_TEXT: Final = (
    "Hello. This number is not known here yet. To be put through in future, have its owner approve "
    "this code: {code} Good bye."
)

log = logging.getLogger("openclaw.plugins.voice-call")


@dataclass(frozen=True, slots=True)
class Welcome:
    """How an admitted call begins."""

    mode: Mode
    opening: str


class Reception:
    """Judges every offered call. Constructed with the pairing book that is on disk."""

    def __init__(
        self,
        pairings: PairingStore,
        clock: Clock,
        new_code: Callable[[], str],
    ) -> None:
        self._pairings = pairings
        self._clock = clock
        self._new_code = new_code
        self._book = pairings.read()

    async def judge(self, offer: InboundOffer, config: VoiceCallConfig) -> Welcome | Refusal:
        """Under the policy of `config`. Raises JournalRefused when a pairing code could not be
        stored."""
        welcome = Welcome(Mode.CONVERSATION, greeting(config))
        # A leg that was placed with the carrier's API is the owner's own doing (F23).
        if offer.direction is Direction.OUTBOUND:
            return welcome
        refusal = admit_inbound(config.inbound_policy, config.allow_from, offer.from_number)
        if refusal is None:
            return welcome
        number = normalise(offer.from_number)
        if config.inbound_policy is not InboundPolicy.PAIRING or number is None:
            return refusal
        return welcome if self._book.admits(number) else await self._ask(number)

    def waiting(self) -> Sequence[PairingRequest]:
        """Who waits for approval, oldest first."""
        return [each for each in self._book.current(self._clock.wall()) if each.code]

    def approved(self) -> Sequence[Approval]:
        return self._book.approved

    async def approve(self, code_or_number: str) -> str:
        """Let a waiting number in for good; gives the number.

        Raises PairingNotFound, JournalRefused.
        """
        now = self._clock.wall()
        request = self._find(code_or_number, now)
        await self._write(pairing.approve(self._book, request, now))
        return request.number

    async def deny(self, code_or_number: str) -> str:
        """Spend a waiting number's code, or take an approval back; gives the number.

        Raises PairingNotFound, JournalRefused.
        """
        number = normalise(code_or_number)
        if number is not None and self._book.admits(number):
            await self._write(pairing.revoke(self._book, number))
            return number
        request = self._find(code_or_number, self._clock.wall())
        await self._write(pairing.deny(self._book, request))
        return request.number

    async def _ask(self, number: str) -> Welcome | Refusal:
        book, request = pairing.ask(self._book, number, self._new_code(), self._clock.wall())
        if request is None:
            return Refusal.UNKNOWN_CALLER
        await self._write(book)
        log.info("pairing code given to a caller; see: openclaw voicecall pairing list")
        code = pairing.spoken_code(request.code)
        return Welcome(Mode.NOTIFY, PAIRING_TEXT.format(code=code))

    def _find(self, code_or_number: str, now: float) -> PairingRequest:
        wanted = normalise(code_or_number) or code_or_number.strip()
        request = pairing.find(self._book, wanted, now) if wanted else None
        if request is None:
            raise PairingNotFound
        return request

    async def _write(self, book: pairing.PairingBook) -> None:
        before, self._book = self._book, book
        try:
            await self._pairings.write(book)
        except BaseException:
            self._book = before
            raise
