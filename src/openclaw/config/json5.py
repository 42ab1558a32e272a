"""Reading JSON5, with syntax errors that name line and column."""

import re

import pyjson5

from openclaw.config.problem import at_root
from openclaw.errors import ConfigError

_CODE_POINT = re.compile(r"U\+([0-9a-fA-F]{4,6})")
_POSITION = re.compile(
    r"^(?P<what>.*?)(?: starting)? near (?P<at>\d+)(?:, (?P<found>.*))?$", re.DOTALL
)
_EXPECTATIONS = {
    "b'JSON5Value'": "a value",
    "b'comma'": "a comma",
    "b'colon'": "a colon",
    "b'hexadecimal character'": "a hexadecimal digit",
}


class Json5SyntaxError(ValueError):
    """The text is not JSON5. The message says what was expected and ends in `at line:column`."""


def parse(text: str) -> object:
    """The value that a JSON5 text stands for. Raises Json5SyntaxError."""
    text = text.removeprefix("\ufeff")
    try:
        return pyjson5.decode(text, maxdepth=200)
    except pyjson5.Json5DecoderException as error:
        # Its other arguments hold the half-read value, which may contain secrets.
        raise Json5SyntaxError(_explain(text, str(error.args[0]))) from None


def parse_root(text: str) -> object:
    """As `parse`, for a configuration file. Raises ConfigError for `<root>`."""
    try:
        return parse(text)
    except Json5SyntaxError as error:
        raise ConfigError([at_root(f"JSON5 parse failed: {error}")]) from None


def _explain(text: str, message: str) -> str:
    match = _POSITION.match(message)
    if match is None:
        return message
    offset = int(match["at"]) - 1
    if "Extra data" in match["what"]:
        offset = _skip_space(text, offset + 1)
    if not text.strip():
        return "the file is empty at 1:1"
    what = _in_words(match["what"])
    found = f", {_in_words(match['found'])}" if match["found"] else ""
    return f"{what}{found} at {_line_and_column(text, max(offset, 0))}"


def _in_words(message: str) -> str:
    for name, words in _EXPECTATIONS.items():
        message = message.replace(name, words)
    message = re.sub(r"b'(\w+)'", r"\1", message)
    message = _CODE_POINT.sub(lambda point: repr(chr(int(point[1], 16))), message)
    return message[:1].lower() + message[1:]


def _skip_space(text: str, offset: int) -> int:
    match = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL).match(text, offset)
    return match.end() if match else offset


def _line_and_column(text: str, offset: int) -> str:
    before = text[:offset]
    return f"{before.count(chr(10)) + 1}:{offset - (before.rfind(chr(10)) + 1) + 1}"
