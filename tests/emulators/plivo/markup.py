"""Plivo XML, parsed into what the emulator performs, with everything that is wrong with it."""

import re
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit
from xml.parsers import expat

from tests.emulators.plivo.media import MULAW
from tests.emulators.plivo.spec import elements

MAX_DOCUMENT = 100_000
"""Bytes of one document."""
MAX_STREAM_URL = 2048
MAX_SPEAK = 3000
"""Characters of one Speak."""
_SSML = {
    "break", "cont", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"
}  # fmt: skip
_SPEECH_MODELS = {"default", "command_and_search", "phone_call"}


class DocumentError(Exception):
    """The document is not XML with a Response of known elements: Plivo ends the call."""


@dataclass(frozen=True)
class Speak:
    text: str
    voice: str = "WOMAN"
    language: str = "en-US"
    loop: int = 1


@dataclass(frozen=True)
class Play:
    url: str
    loop: int = 1


@dataclass(frozen=True)
class Wait:
    length: float = 1.0


Prompt: TypeAlias = Speak | Play | Wait


@dataclass(frozen=True)
class GetInput:
    action: str
    method: str
    speech: bool
    dtmf: bool
    execution_timeout: float
    """Seconds from the end of the prompts, for all of it."""
    digit_end_timeout: float | None
    """Seconds of waiting for the next key; None: automatic."""
    speech_end_timeout: float | None
    """Seconds of silence that end the speech; None: automatic."""
    num_digits: int
    finish_on_key: str
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class Keys:
    """`<DTMF>`: keys that are sent to the other end."""

    digits: str
    waits: bool
    """Whether the document goes on only when all were sent."""


@dataclass(frozen=True)
class Redirect:
    url: str
    method: str


@dataclass(frozen=True)
class Hangup:
    reason: str
    """`rejected`, `busy` or nothing."""


@dataclass(frozen=True)
class Stream:
    """Live audio both ways, over the gateway's socket."""

    url: str
    holds: bool
    """keepCallAlive: the document goes on only when the stream is over."""
    extra_headers: str
    status_url: str
    status_method: str


@dataclass(frozen=True)
class NotEmulated:
    """An element that Plivo knows and this emulator does not perform."""

    name: str


Verb: TypeAlias = Speak | Play | Wait | GetInput | Keys | Redirect | Hangup | Stream | NotEmulated


@dataclass(frozen=True)
class Document:
    verbs: tuple[Verb, ...]
    problems: tuple[str, ...]
    """What Plivo would ignore or correct."""


@dataclass
class _Node:
    name: str
    attributes: dict[str, str]
    children: list["_Node"] = field(default_factory=list["_Node"])
    text: str = ""

    def all_text(self) -> str:
        return " ".join(self.text.split())


def parse(body: str) -> Document:
    """Parse a document.

    Raises:
        DocumentError: it is not well-formed, too long, or has elements that Plivo does not know.
    """
    if len(body.encode("utf-8", "replace")) > MAX_DOCUMENT:
        raise DocumentError(f"more than {MAX_DOCUMENT} bytes")
    root = _tree(body)
    if root.name != "Response":
        raise DocumentError(f"the root is <{root.name}>, not <Response>")
    reader = _Reader()
    reader.check(root)
    verbs = [reader.verb(node) for node in root.children]
    return Document(tuple(verbs), tuple(reader.problems))


def _tree(body: str) -> _Node:
    top = _Node("", {})
    path = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        node = _Node(name, attributes)
        path[-1].children.append(node)
        path.append(node)

    def end(_: str) -> None:
        node = path.pop()
        if node.name in _SSML:
            path[-1].text += node.text

    def text(data: str) -> None:
        path[-1].text += data

    def doctype(*_: object) -> None:
        raise DocumentError("a document type declaration")

    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body.strip().encode("utf-8", "replace"), True)
    except expat.ExpatError as exc:
        raise DocumentError(str(exc)) from None
    return top.children[0]


class _Reader:
    """Turns nodes into verbs and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.known = elements()
        self.problems: list[str] = []

    def check(self, node: _Node) -> None:
        """Names, attributes, nesting and text against the list of elements.

        Raises:
            DocumentError: an element that there is not, which Plivo refuses.
        """
        element = self.known[node.name]
        for name in node.attributes.keys() - set(element.attributes):
            self.problems.append(f"<{node.name}> has no attribute {name!r}")
        if node.text.strip() and not element.text:
            self.problems.append(f"<{node.name}> takes no text: {node.text.strip()!r}")
        for child in node.children:
            if child.name in _SSML and node.name in {"Speak", *_SSML}:
                continue
            if child.name not in self.known:
                raise DocumentError(f"<{child.name}> is no element of Plivo's")
            if child.name not in element.children:
                raise DocumentError(f"<{node.name}> takes no <{child.name}>")
            self.check(child)

    def verb(self, node: _Node) -> Verb:
        match node.name:
            case "Speak" | "Play" | "Wait":
                return self._prompt(node)
            case "GetInput":
                return self._input(node)
            case "DTMF":
                digits = node.all_text()
                if not re.fullmatch(r"[0-9A-Da-d*#wW]+", digits):
                    self.problems.append(f"<DTMF> takes 0-9 A-D * # w W, not {digits!r}")
                return Keys(digits, not self._flag(node, "async", default=True))
            case "Redirect":
                if not node.all_text():
                    self.problems.append("<Redirect> without a URL")
                return Redirect(node.all_text(), self._method(node))
            case "Hangup":
                return Hangup(self._choice(node, "reason", "", {"", "rejected", "busy"}))
            case "Stream":
                return self._stream(node)
            case name:
                return self._not_emulated(name)

    def _not_emulated(self, what: str) -> NotEmulated:
        self.problems.append(f"<{what}> is not emulated")
        return NotEmulated(what)

    def _stream(self, node: _Node) -> Verb:
        attributes, url = node.attributes, node.all_text()
        if not 0 < len(url) <= MAX_STREAM_URL or urlsplit(url).scheme != "wss":
            self.problems.append(f"<Stream> must be a wss URL: {url!r}")
        if not self._flag(node, "bidirectional", default=False):
            return self._not_emulated("Stream bidirectional='false'")
        if attributes.get("audioTrack", "inbound") != "inbound":
            self.problems.append("<Stream> both ways has the inbound track only")
        # Without a type, Plivo sends linear samples.
        if attributes.get("contentType", "audio/x-l16;rate=8000") != MULAW:
            return self._not_emulated(f"Stream contentType={attributes.get('contentType')!r}")
        extra = attributes.get("extraHeaders", "")
        if not re.fullmatch(r"([A-Za-z0-9]+=[A-Za-z0-9]+(,|$))*", extra) or len(extra) > 512:
            self.problems.append(f"<Stream extraHeaders> {extra!r}")
        return Stream(
            url,
            self._flag(node, "keepCallAlive", default=False),
            extra,
            attributes.get("statusCallbackUrl", ""),
            self._choice(node, "statusCallbackMethod", "POST", {"GET", "POST"}),
        )

    def _prompt(self, node: _Node) -> Prompt:
        if node.name == "Wait":
            return Wait(self._number(node, "length", 1, 1, 100_000))
        loop = int(self._number(node, "loop", 1, 0, 1000))
        text = node.all_text()
        if node.name == "Play":
            if not text:
                self.problems.append("<Play> without a URL")
            return Play(text, loop)
        if not 0 < len(text) <= MAX_SPEAK:
            self.problems.append(f"<Speak> with {len(text)} characters")
        attributes = node.attributes
        return Speak(
            text, attributes.get("voice", "WOMAN"), attributes.get("language", "en-US"), loop
        )

    def _input(self, node: _Node) -> GetInput:
        attributes = node.attributes
        kinds = set(attributes.get("inputType", "").split())
        if not kinds or not kinds <= {"dtmf", "speech"}:
            self.problems.append(f"<GetInput inputType> {attributes.get('inputType')!r}")
        if not attributes.get("action"):
            self.problems.append("<GetInput> without an action")
        self._choice(node, "speechModel", "default", _SPEECH_MODELS)
        self._flag(node, "log", default=True)
        self._flag(node, "profanityFilter", default=False)
        if not self._flag(node, "redirect", default=True):
            self.problems.append("<GetInput redirect='false'> is not emulated")
        finish = attributes.get("finishOnKey", "#")
        if not re.fullmatch(r"[0-9#*]?|none", finish):
            self.problems.append(f"<GetInput finishOnKey> {finish!r}")
        prompts = [self._prompt(child) for child in node.children]
        return GetInput(
            action=attributes.get("action", ""),
            method=self._method(node),
            speech="speech" in kinds,
            dtmf="dtmf" in kinds,
            execution_timeout=self._number(node, "executionTimeout", 15, 5, 60),
            digit_end_timeout=self._automatic(node, "digitEndTimeout"),
            speech_end_timeout=self._automatic(node, "speechEndTimeout"),
            num_digits=int(self._number(node, "numDigits", 32, 1, 32)),
            finish_on_key=finish,
            prompts=tuple(prompts),
        )

    def _automatic(self, node: _Node, name: str) -> float | None:
        if node.attributes.get(name, "auto") == "auto":
            return None
        return self._number(node, name, 2, 2, 10)

    def _method(self, node: _Node) -> str:
        return self._choice(node, "method", "POST", {"GET", "POST"})

    def _flag(self, node: _Node, name: str, *, default: bool) -> bool:
        return self._choice(node, name, str(default).lower(), {"true", "false"}) == "true"

    def _choice(self, node: _Node, name: str, default: str, allowed: set[str]) -> str:
        value = node.attributes.get(name, default)
        if value in allowed:
            return value
        self.problems.append(f"<{node.name} {name}> {value!r}")
        return default

    def _number(self, node: _Node, name: str, default: int, low: int, high: int) -> float:
        value = node.attributes.get(name)
        if value is None:
            return float(default)
        if not (value.isdecimal() and low <= int(value) <= high):
            self.problems.append(f"<{node.name} {name}> {value!r} is not within {low}-{high}")
            return float(default)
        return float(value)
