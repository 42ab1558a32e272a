"""Secrets are compared in constant time, in both packages: read from their sources."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import openclaw
import openclaw_voice_call

ROOTS = [Path(package.__path__[0]) for package in (openclaw, openclaw_voice_call)]
SECRET_NAME = re.compile(
    r"(^|_)(token|secret|password|signature|digest|hmac|mac|api_?key|auth_?token|presented"
    r"|expected_signature|credentials?)$",
    re.IGNORECASE,
)
_EQUALITY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def plain_comparisons(source: str) -> Iterator[str]:
    """Comparisons of something that is named like a secret with anything but a literal."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        operands = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if not isinstance(operator, _EQUALITY):
                continue
            if any(isinstance(side, ast.Constant | ast.Tuple | ast.Set) for side in (left, right)):
                continue
            # `name in mapping` looks a name up; `secret in collection` compares.
            sides = (left,) if isinstance(operator, ast.In | ast.NotIn) else (left, right)
            if any(SECRET_NAME.search(_name(side)) for side in sides):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return _name(function)
        case _:
            return ""


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("auth_token == given", True),
        ("given != self._secret", True),
        ("signature in presented_ones", True),
        ("request.signature() == other", True),
        ("token == ''", False),
        ("hmac.compare_digest(signature, given)", False),
        ("token is None", False),
        ("name in tokens", False),
    ],
)
def test_the_reader_sees_a_plain_comparison(source: str, found: bool) -> None:
    assert bool(list(plain_comparisons(source))) is found


def test_no_secret_is_compared_in_the_plain_way() -> None:
    findings = [
        f"{path.relative_to(root)}: {finding}"
        for root in ROOTS
        for path in sorted(root.rglob("*.py"))
        for finding in plain_comparisons(path.read_text("utf-8"))
    ]
    assert findings == []
