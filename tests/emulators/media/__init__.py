"""Live audio as phone companies have it: sockets, a play-out buffer, and people with ears.

What differs between companies, their messages, is in each one's own `media` module.
"""

from tests.emulators.media.faults import (
    ConnectTwice,
    Echo,
    NeverConnect,
    Shuffle,
    StartLate,
    StreamFault,
    StreamOrder,
    Unconnectable,
)
from tests.emulators.media.language import Clear, Language, Mark, NotUnderstood, Order, Play
from tests.emulators.media.playout import FRAME_BYTES, FRAME_SECONDS, PlayOut
from tests.emulators.media.room import MediaRoom
from tests.emulators.media.stream import Knock, MediaStream
from tests.emulators.media.talker import Talker

__all__ = [
    "FRAME_BYTES",
    "FRAME_SECONDS",
    "Clear",
    "ConnectTwice",
    "Echo",
    "Knock",
    "Language",
    "Mark",
    "MediaRoom",
    "MediaStream",
    "NeverConnect",
    "NotUnderstood",
    "Order",
    "Play",
    "PlayOut",
    "Shuffle",
    "StartLate",
    "StreamFault",
    "StreamOrder",
    "Talker",
    "Unconnectable",
]
