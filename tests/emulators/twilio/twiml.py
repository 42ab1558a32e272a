"""TwiML: the XML that Twilio executes, parsed into verbs, with everything that is wrong with it."""

import re
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit
from xml.parsers import expat

from tests.emulators.twilio.spec import twiml_elements

MAX_SAY = 4096
"""Characters of one Say."""
_SSML = {"break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"}
_SPEECH_MODEL_DEFAULT = ""


class DocumentError(Exception):
    """The document is not XML with a Response as its root (Twilio error 12100)."""


@dataclass(frozen=True)
class Say:
    text: str
    voice: str = ""
    language: str = ""
    loop: int = 1


@dataclass(frozen=True)
class Play:
    """A recording at `url`, or else keys `digits` sent to the other end."""

    url: str = ""
    digits: str = ""
    loop: int = 1


@dataclass(frozen=True)
class Pause:
    length: float = 1.0


@dataclass(frozen=True)
class Gather:
    speech: bool
    dtmf: bool
    action: str
    method: str
    timeout: float
    """Seconds of silence after the prompt, and after the last key."""
    speech_timeout: float | None
    """Seconds of silence that end the speech; None: left to the recogniser (auto)."""
    num_digits: int | None
    finish_on_key: str
    barge_in: bool
    action_on_empty_result: bool
    partial_result_callback: str
    partial_result_method: str
    prompts: tuple[Say | Play | Pause, ...]


@dataclass(frozen=True)
class Redirect:
    url: str
    method: str


@dataclass(frozen=True)
class Reject:
    reason: str


@dataclass(frozen=True)
class Hangup:
    pass


@dataclass(frozen=True)
class Stream:
    """`<Connect><Stream>`: bidirectional audio, which holds the document until it ends."""

    url: str
    """Without its query, which Twilio drops."""
    name: str
    parameters: tuple[tuple[str, str], ...]
    action: str
    method: str
    status_callback: str = ""
    status_callback_method: str = "POST"


@dataclass(frozen=True)
class NotEmulated:
    """A verb that Twilio knows and this emulator does not perform."""

    name: str


Verb: TypeAlias = Say | Play | Pause | Gather | Redirect | Reject | Hangup | Stream | NotEmulated


@dataclass(frozen=True)
class Document:
    verbs: tuple[Verb, ...]
    problems: tuple[str, ...]
    """What Twilio would refuse, ignore or warn of."""


@dataclass
class _Node:
    name: str
    attributes: dict[str, str]
    children: list["_Node"] = field(default_factory=list["_Node"])
    text: str = ""

    def all_text(self) -> str:
        return " ".join(self.text.split())


def parse(body: str) -> Document:
    """Parse a TwiML document.

    Raises:
        DocumentError: it is not well-formed, has a document type, or another root.
    """
    reader = _Reader()
    root = _tree(body)
    if root.name != "Response":
        raise DocumentError(f"the root is <{root.name}>, not <Response>")
    reader.check(root)
    verbs = [reader.verb(node) for node in root.children if node.name in reader.known]
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
        parser.Parse(body.strip().encode(), True)
    except expat.ExpatError as exc:
        raise DocumentError(str(exc)) from None
    return top.children[0]


class _Reader:
    """Turns nodes into verbs and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.known = twiml_elements()
        self.problems: list[str] = []

    def check(self, node: _Node) -> None:
        """Names, attributes, nesting and text against the list of the SDK."""
        if node.name in _SSML:
            return
        element = self.known[node.name]
        for name in node.attributes.keys() - set(element.attributes):
            self.problems.append(f"<{node.name}> has no attribute {name!r}")
        if node.text.strip() and not element.text:
            self.problems.append(f"<{node.name}> takes no text: {node.text.strip()!r}")
        for child in node.children:
            allowed = child.name in element.children or (
                child.name in _SSML and node.name in {"Say", *_SSML}
            )
            if not allowed:
                self.problems.append(f"<{node.name}> takes no <{child.name}>")
            if child.name in self.known or child.name in _SSML:
                self.check(child)

    def verb(self, node: _Node) -> Verb:
        match node.name:
            case "Say" | "Play" | "Pause":
                return self._prompt(node)
            case "Gather":
                return self._gather(node)
            case "Redirect":
                if not node.all_text():
                    self.problems.append("<Redirect> without a URL")
                return Redirect(node.all_text(), self._method(node))
            case "Reject":
                return Reject(self._choice(node, "reason", "rejected", {"rejected", "busy"}))
            case "Hangup":
                return Hangup()
            case "Connect":
                return self._connect(node)
            case name:
                self.problems.append(f"<{name}> is not emulated")
                return NotEmulated(name)

    def _prompt(self, node: _Node) -> Say | Play | Pause:
        if node.name == "Pause":
            return Pause(self._number(node, "length", 1.0))
        loop = int(self._number(node, "loop", 1.0))
        if node.name == "Play":
            digits = node.attributes.get("digits", "")
            if not re.fullmatch(r"[0-9A-Da-d#*wW]*", digits):
                self.problems.append(f"<Play digits> takes 0-9 A-D # * w W, not {digits!r}")
            if not digits and not node.all_text():
                self.problems.append("<Play> with neither a URL nor digits")
            return Play(node.all_text(), digits, loop)
        text = node.all_text()
        if not 0 < len(text) <= MAX_SAY:
            self.problems.append(f"<Say> with {len(text)} characters")
        return Say(
            text, node.attributes.get("voice", ""), node.attributes.get("language", ""), loop
        )

    def _gather(self, node: _Node) -> Gather:
        attributes = node.attributes
        inputs = set(attributes.get("input", "dtmf").split())
        if not inputs or not inputs <= {"dtmf", "speech"}:
            self.problems.append(f"<Gather input> {attributes.get('input')!r}")
        timeout = self._number(node, "timeout", 5.0)
        prompts = [child for child in node.children if child.name in {"Say", "Play", "Pause"}]
        finish = attributes.get("finishOnKey", "#")
        if not re.fullmatch(r"[0-9#*]*", finish):
            self.problems.append(f"<Gather finishOnKey> {finish!r}")
        return Gather(
            speech="speech" in inputs,
            dtmf="dtmf" in inputs,
            action=attributes.get("action", ""),
            method=self._method(node),
            timeout=timeout,
            speech_timeout=self._speech_timeout(node, timeout),
            num_digits=int(self._number(node, "numDigits", 0)) or None,
            finish_on_key=finish,
            barge_in=self._flag(node, "bargeIn", default=True),
            action_on_empty_result=self._flag(node, "actionOnEmptyResult", default=False),
            partial_result_callback=attributes.get("partialResultCallback", ""),
            partial_result_method=self._method(node, "partialResultCallbackMethod"),
            prompts=tuple(self._prompt(child) for child in prompts),
        )

    def _speech_timeout(self, node: _Node, timeout: float) -> float | None:
        value = node.attributes.get("speechTimeout")
        if value == "auto":
            if node.attributes.get("speechModel", _SPEECH_MODEL_DEFAULT):
                self.problems.append("<Gather> speechTimeout=auto with an explicit speechModel")
            return None
        return timeout if value is None else self._number(node, "speechTimeout", timeout)

    def _connect(self, node: _Node) -> Verb:
        streams = [child for child in node.children if child.name == "Stream"]
        if len(node.children) != 1 or not streams:
            self.problems.append("<Connect> is emulated with exactly one <Stream>")
            return NotEmulated("Connect")
        attributes = streams[0].attributes
        url = attributes.get("url", "")
        # Twilio drops the query of a stream URL, so whatever it carried would be lost.
        if urlsplit(url).query or urlsplit(url).scheme != "wss":
            self.problems.append(f"<Stream url> must be wss and without a query: {url!r}")
        parameters = [
            (child.attributes.get("name", ""), child.attributes.get("value", ""))
            for child in streams[0].children
        ]
        for name, value in parameters:
            if len(name) + len(value) >= 500:
                self.problems.append(f"<Parameter> {name!r} of 500 characters or more")
        return Stream(
            url=url.partition("?")[0],
            name=attributes.get("name", ""),
            parameters=tuple(parameters),
            action=node.attributes.get("action", ""),
            method=self._method(node),
            status_callback=attributes.get("statusCallback", ""),
            status_callback_method=self._method(streams[0], "statusCallbackMethod"),
        )

    def _method(self, node: _Node, name: str = "method") -> str:
        return self._choice(node, name, "POST", {"GET", "POST"})

    def _flag(self, node: _Node, name: str, *, default: bool) -> bool:
        return self._choice(node, name, str(default).lower(), {"true", "false"}) == "true"

    def _choice(self, node: _Node, name: str, default: str, allowed: set[str]) -> str:
        value = node.attributes.get(name, default)
        if value in allowed:
            return value
        self.problems.append(f"<{node.name} {name}> {value!r}")
        return default

    def _number(self, node: _Node, name: str, default: float) -> float:
        value = node.attributes.get(name)
        if value is None:
            return default
        if not value.isdecimal():
            self.problems.append(f"<{node.name} {name}> {value!r} is not a whole number")
            return default
        return float(value)
