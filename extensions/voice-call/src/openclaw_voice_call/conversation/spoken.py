"""What of a model's answer is read aloud: the words, without anything that only eyes can use.

Pure. Plain prose passes unchanged, whatever its language; doubt is decided in its favour.
"""

import re
from typing import Final

from openclaw_voice_call.conversation.contract import take_apart

LONGEST: Final = 4000
"""Characters that are spoken at most."""
_LONGEST_ANSWER: Final = 16 * LONGEST
"""What is read of an answer: code and reasoning may take several times the room of the words."""

_FLAGS: Final = re.IGNORECASE | re.DOTALL
_REASONING = r"think|thinking|thought|thoughts|reasoning|reflection|scratchpad"
_REASONING_BLOCK = re.compile(rf"<({_REASONING})\b[^<>]*>.*?(?:</\1\s*>|\Z)", _FLAGS)
_REASONING_END = re.compile(rf"</(?:{_REASONING})\s*>", _FLAGS)
_FINAL = re.compile(r"<final\b[^<>]*>(.*?)(?:</final\s*>|\Z)", _FLAGS)
_FENCE = re.compile(
    r"^[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[^\s`]*)[^\n]*(?:\n|\Z)"
    r"(?P<body>.*?)(?:^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PROSE_LANGUAGES = frozenset({"", "text", "txt", "plain", "plaintext", "markdown", "md"})

_DIRECTIVE = re.compile(r"\[\[[^\[\]]*\]\]|^[ \t]*MEDIA:.*$|\bMEDIA:\S+", re.MULTILINE)
_TAG = re.compile(
    r"</?(?:a|answer|article|b|big|blockquote|body|br|break|code|dd|del|div|dl|dt|em|emphasis|"
    r"final|font|h[1-6]|head|header|hr|html|i|img|ins|kbd|li|mark|ol|output|p|phoneme|pre|prosody|"
    r"response|s|say-as|section|small|span|speak|spoken|strong|sub|sup|table|tbody|td|th|thead|tr|"
    r"tt|u|ul|voice)\b(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ENTITIES: Final = {
    "&nbsp;": " ",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&#39;": "'",
    "&apos;": "'",
    "&amp;": "&",
}

_TARGET = r"\((?:[^()\n]|\([^()\n]*\))*(?:\)|\Z)"
_IMAGE = re.compile(rf"!\[[^\[\]\n]*\](?:{_TARGET}|\[[^\[\]\n]*\])")
_LINK = re.compile(rf"\[([^\[\]\n]*)\](?:{_TARGET}|\[[^\[\]\n]*\])")
_DEFINITION = re.compile(r"^[ \t]*\[[^\[\]\n]+\]:[ \t]*\S.*$", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\[\]\n]*\]|\[\d{1,3}\]")
_URL = re.compile(
    r"<?(?:(?:https?|ftp|wss?)://(?:[^\s/@<>]*@)?|\bwww\.)(?P<host>[^\s/?#:<>()\[\]{}\"'`|*,;!]*)"
    r"(?P<rest>[^\s<>()\[\]{}\"'`|*]*)>?",
    re.IGNORECASE,
)
_MAIL = re.compile(r"<?\bmailto:([^\s<>?]+)(?:\?[^\s<>]*)?>?", re.IGNORECASE)

_RULE_MARKS: Final = "|:-*_="
_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+")
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+(.*)$")
_BULLET = re.compile(r"^[ \t]*[-*+\u2022\u25aa\u25e6\u2023][ \t]+(?:\[[ xX]\][ \t]+)?")
_NUMBER = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]+")

_STRONG = re.compile(r"\*{2,}|_{2,}|~~|`+")
_EMPHASIS = re.compile(r"(?<![\w_])_(?=\S)([^_\n]+)(?<=\S)_(?![\w_])")
_STAR = re.compile(r"(?<!\s)\*|\*(?!\s)")
_ESCAPE = re.compile(r"\\([^\w\s])")
_BRACES = re.compile(r"[{}|]|\](?=\()|\[\[|\]\]")
_PICTURES: Final = (
    "(?:[\u2300-\u23ff\u25a0-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff\U000e0020-\U000e007f]"
    "[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f\u20e3\u200d]*)+"
)
_EMOJI = re.compile(rf" {_PICTURES}(?=[.,!?])|{_PICTURES}")
# Not the joiners U+200C and U+200D: Persian and the scripts of India are written with them.
_UNSPEAKABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe0e\ufe0f\u20e3\ufeff\ufff0-\uffff\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
_LOOSE_STOP = re.compile(r"\s+([.,])(?=\s|$)")
_SENTENCE_END = re.compile(r"[。！？]|[.!?…][\"'”’»)\]]*(?=\s|\Z)")  # noqa: RUF001


def spoken_text(answer: str) -> str:
    """The words of a model's answer that may be read aloud, on one line; may be empty.

    Reasoning, code, markup, URLs, directives and emoji are left out; a URL is said as its host.
    Where the answer has JSON objects with a `spoken` field, only those fields count. At most
    `LONGEST` characters, cut at the end of a sentence. Never raises.
    """
    text = _without_reasoning(answer[:_LONGEST_ANSWER])
    parts = take_apart(text)
    if parts.spoken is not None:
        return _words(parts.spoken)
    return _words(parts.prose) or _words(parts.likely)


def _without_reasoning(text: str) -> str:
    text = _REASONING_BLOCK.sub(" ", text)
    # Some models are begun inside their reasoning, so that only its end is seen.
    ends = list(_REASONING_END.finditer(text))
    if ends:
        text = text[ends[-1].end() :]
    final = [match[1] for match in _FINAL.finditer(text)]
    return " ".join(final) if final else text


def _words(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    outside = _FENCE.sub("\n\n", text)
    if not _has_words(outside):
        bodies = (m["body"] for m in _FENCE.finditer(text) if m["language"] in _PROSE_LANGUAGES)
        outside = "\n\n".join(bodies)
    return _bounded(_folded(_inline(_blocks(_links(outside)))))


def _has_words(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _links(text: str) -> str:
    """Directives, tags, links and images; what comes after sees no punctuation of theirs."""
    text = _COMMENT.sub(" ", _DIRECTIVE.sub(" ", text))
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    text = _TAG.sub(" ", text)
    text = _DEFINITION.sub("", _IMAGE.sub(" ", text))
    text = _FOOTNOTE.sub("", _LINK.sub(r"\1", text))
    return _URL.sub(_host, _MAIL.sub(r"\1", text))


def _host(match: re.Match[str]) -> str:
    """A URL as people say it, with the punctuation that follows it in the sentence."""
    whole = match["host"] + match["rest"]
    stop = whole[len(whole.rstrip(".,;:!?…")) :]
    host = match["host"].rstrip(".").lower().removeprefix("www.")
    return host + stop


def _blocks(text: str) -> str:
    """Lines without the marks of headings, lists, quotes and tables; blocks end like sentences."""
    lines = text.split("\n")
    # One line may begin with an ordinal ("3. Oktober"); only several are a list.
    numbered = sum(1 for line in lines if _NUMBER.match(line)) > 1
    spoken: list[str] = []
    ended = False
    for line in lines:
        words, is_block = _line(line, numbered=numbered)
        if not words:
            ended = True
            continue
        if spoken and (ended or is_block):
            spoken[-1] = _stopped(spoken[-1])
        spoken.append(words)
        ended = is_block
    return "\n".join(spoken)


def _line(line: str, *, numbered: bool) -> tuple[str, bool]:
    """The words of a line, and whether it is a block of its own."""
    marks = "".join(line.split())
    if len(marks) > 1 and not marks.strip(_RULE_MARKS):
        return "", True
    line = _QUOTE.sub("", line)
    if line.lstrip().startswith("|") or line.count("|") > 1:
        cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        return ", ".join(cell for cell in cells if cell), True
    heading = _HEADING.match(line)
    if heading:
        words = heading[1].rstrip()
        bare = words.rstrip("#")
        return (bare.rstrip() if bare.endswith((" ", "\t")) else words), True
    bare = _BULLET.sub("", line)
    if numbered:
        bare = _NUMBER.sub("", bare)
    return bare.strip(), bare != line


def _stopped(line: str) -> str:
    """With a full stop, where a block ends without punctuation."""
    end = line.rstrip("*_~`\"'”’») ")  # noqa: RUF001
    return line if not end or end[-1] in ".,;:!?…。！？" else f"{line}."  # noqa: RUF001


def _inline(text: str) -> str:
    text = _EMOJI.sub(_gap, text)
    text = _UNSPEAKABLE.sub("", text)
    text = _STRONG.sub("", _ESCAPE.sub(r"\1", text))
    text = _STAR.sub("", _EMPHASIS.sub(r"\1", text))
    text = _BRACES.sub(" ", text)
    return _EMPTY_BRACKETS.sub("", text)


def _gap(emoji: re.Match[str]) -> str:
    """What an emoji leaves: nothing where it stood between a word and its punctuation."""
    return "" if emoji[0].startswith(" ") else " "


def _folded(text: str) -> str:
    text = _LOOSE_STOP.sub(r"\1", " ".join(text.split()))
    return text if _has_words(text) else ""


def _bounded(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    head = text[:LONGEST]
    ends = list(_SENTENCE_END.finditer(head))
    if ends:
        return head[: ends[-1].end()]
    return head.rpartition(" ")[0] or head
