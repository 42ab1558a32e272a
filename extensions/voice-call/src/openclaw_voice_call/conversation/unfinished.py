"""How much of an unfinished text is certain: it means the same whatever comes after it. Pure."""

import re

_OPEN = re.compile(
    r"<(?:[A-Za-z/!?][^<>]{0,400})?\Z"  # a tag, a comment, reasoning
    r"|!?\[[^\[\]\n]*\Z"  # a link's text, a footnote
    r"|!?\[[^\[\]\n]*\](?:\((?:[^()\n]|\([^()\n]*\))*(?:\([^()\n]*)?|\[[^\[\]\n]*)?\Z"  # its target
    r"|\[\[[^\[\]]{0,400}\]?\Z"  # a directive
    r"|\{\s*\Z"  # an object
    r"|(?<![\w_])_(?=\S)[^_\n]*_?\Z"  # emphasis
    r"|\\\Z"
)
_DEEPEST = 8
"""How far what is open is followed into what is open; then only whole lines are certain."""


def certain(text: str) -> int:
    """How many characters of `text` no continuation can give another meaning."""
    end = len(text)
    for _ in range(_DEEPEST):
        found = _OPEN.search(text, 0, end)
        if found is None:
            return end
        # Something that is open may lie within something that is, so look at what is left.
        end = found.start()
    return text.rfind("\n", 0, end) + 1
