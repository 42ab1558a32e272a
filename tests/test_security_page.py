"""The tests that `docs/security.md` names are there."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
_LINK = re.compile(r"\[(test_\w+)\]\((\S+)\)")


def test_every_test_that_the_page_names_exists() -> None:
    links = _LINK.findall(PAGE.read_text("utf-8"))
    assert len(links) > 30
    missing = [
        f"{name} in {path}"
        for name, path in links
        if not (PAGE.parent / path).is_file()
        or not re.search(rf"def {name}\(", (PAGE.parent / path).read_text("utf-8"))
    ]
    assert missing == []
