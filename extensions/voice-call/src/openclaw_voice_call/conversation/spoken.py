"""What of a model's answer is read aloud: the words, without anything that only eyes can use.

Pure. Plain prose passes unchanged, whatever its language; doubt is decided in its favour.
"""

import re
from typing import Final

from openclaw_voice_call.conversation.contract import take_apart
from openclaw_voice_call.conversation.lines import certain_lines, words_of_lines
from openclaw_voice_call.conversation.sentences import one_line, sentence_end
from openclaw_voice_call.conversation.unfinished import certain

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


def spoken_text(answer: str) -> str:
    """The words of a model's answer that may be read aloud, on one line; may be empty.

    Reasoning, code, markup, URLs, directives and emoji are left out; a URL is said as its host.
    Where the answer has JSON objects with a `spoken` field, only those fields count. At most
    `LONGEST` characters, cut at the end of a sentence. Never raises.
    """
    flow = spoken_flow(answer)
    if len(flow) > LONGEST:
        end = 0
        while (more := sentence_end(flow, end, first=end == 0, ended=True)) and more <= LONGEST:
            end = more
        flow = flow[:end]
    return one_line(flow)


def spoken_flow(answer: str, *, whole: bool = True) -> str:
    """As `spoken_text`, but of any length and with the line breaks between blocks.

    Of an answer that is still being written (not `whole`) only what no continuation can change,
    save one that ends a reasoning, marks a final answer or has the contract's field after prose.
    The last word may be a part of one; white space after it says that it is not.
    """
    text = _without_reasoning(answer[:_LONGEST_ANSWER])
    parts = take_apart(text, whole=whole)
    if parts.spoken is not None:
        return _flow(parts.spoken, whole=whole)
    return _flow(parts.prose, whole=whole) or (_flow(parts.likely) if whole else "")


def _without_reasoning(text: str) -> str:
    text = _REASONING_BLOCK.sub(" ", text)
    # Some models are begun inside their reasoning, so that only its end is seen.
    ends = list(_REASONING_END.finditer(text))
    if ends:
        text = text[ends[-1].end() :]
    final = [match[1] for match in _FINAL.finditer(text)]
    return " ".join(final) if final else text


def _flow(text: str, *, whole: bool = True) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not whole:
        text = text[: certain(text)]
    outside = _FENCE.sub("\n\n", text)
    if whole and not _has_words(outside):
        bodies = (m["body"] for m in _FENCE.finditer(text) if m["language"] in _PROSE_LANGUAGES)
        outside = "\n\n".join(bodies)
    # Before the lines are looked at: where one ends with a picture, what is before it counts.
    linked = _EMOJI.sub(_gap, _links(outside))
    if not whole:
        linked = linked[: certain_lines(linked)]
    return _folded(_inline(words_of_lines(linked)))


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


def _inline(text: str) -> str:
    text = _UNSPEAKABLE.sub("", text)
    text = _STRONG.sub("", _ESCAPE.sub(r"\1", text))
    text = _STAR.sub("", _EMPHASIS.sub(r"\1", text))
    text = _BRACES.sub(" ", text)
    return _EMPTY_BRACKETS.sub("", text)


def _gap(emoji: re.Match[str]) -> str:
    """What an emoji leaves: nothing where it stood between a word and its punctuation."""
    return "" if emoji[0].startswith(" ") else " "


def _folded(text: str) -> str:
    """With single spaces and line breaks, one of them at the end if there was white space."""
    lines = (one_line(line) for line in text.split("\n"))
    words = _LOOSE_STOP.sub(r"\1", "\n".join(line for line in lines if line))
    if not _has_words(words):
        return ""
    after = text[len(text.rstrip()) :]
    return f"{words}\n" if "\n" in after else f"{words} " if after else words
