"""Write docs/scenarios.md: each behaviour that is promised, and the tests that prove it.

    python scripts/scenario_matrix.py            write the page
    python scripts/scenario_matrix.py --check    fail on a stale page or an unproved claim

The rows stand in scripts/scenarios.json. A test names the rows it proves, and the carrier it ran
on, with `@pytest.mark.scenario("F12", carrier="mock")`; a class, a parameter or a module
(`pytestmark`) may carry the marker too. A test with `parametrize("carrier", ...)` proves its rows
on each of these carriers, if they are written down in that file or where it imports them from.
Tests are read, not imported. A test that is skipped or expected to fail proves nothing.
"""

import argparse
import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ROWS: Final = ROOT / "scripts" / "scenarios.json"
TESTS: Final = ROOT / "tests"
PAGE: Final = ROOT / "docs" / "scenarios.md"

INTRODUCTION: Final = """\
# What is promised, and what proves it

Written by `make docs` from the markers of the tests; `make lint` fails when a claimed row has no
test. Rows without a test are not claimed yet.

Weights: C, the call would be silent, dead, unsafe or billed without end; H, the caller or the
operator would notice; M, annoying; L, rare; attack, someone means harm.
"""


@dataclass(frozen=True)
class Row:
    """One promised behaviour; `claimed` rows must have a test."""

    id: str
    weight: str
    title: str
    claimed: bool


@dataclass(frozen=True)
class Area:
    """Rows that belong together."""

    area: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Proof:
    """A test that carries the marker; `test` is `path::name`, seen from the repository's root."""

    row: str
    test: str
    carrier: str | None


class BadMarker(Exception):
    """A marker that cannot be read without running the test, or that names no row."""


def read_areas(path: Path) -> list[Area]:
    """Return the promised behaviours in the order of the page."""
    return [
        Area(entry["area"], tuple(Row(**row) for row in entry["rows"]))
        for entry in json.loads(path.read_text(encoding="utf-8"))
    ]


def read_proofs(source: str, path: str) -> Iterator[Proof]:
    """Yield the proofs in one test file.

    Raises:
        BadMarker: a marker's arguments are not plain strings.
    """
    module = ast.parse(source, filename=path)
    yield from _proofs_in(module, module.body, path, "", _module_marks(module))


def _proofs_in(
    module: ast.Module, body: list[ast.stmt], path: str, prefix: str, inherited: list[ast.expr]
) -> Iterator[Proof]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            marks = inherited + node.decorator_list
            yield from _proofs_in(module, node.body, path, f"{prefix}{node.name}::", marks)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test"
        ):
            marks = inherited + node.decorator_list
            # A decorator may hold further markers: parametrize(..., [param(..., marks=...)]).
            calls = [call for mark in marks for call in ast.walk(mark)]
            if any(_name(call) in {"skip", "xfail"} for call in marks):
                continue
            markers = [
                call
                for call in calls
                if isinstance(call, ast.Call) and _name(call.func) == "scenario"
            ]
            carriers = _parametrised(marks, module, path) if markers else ()
            for marker in markers:
                yield from _read_marker(marker, path, f"{path}::{prefix}{node.name}", carriers)


def _module_marks(module: ast.Module) -> list[ast.expr]:
    return [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        )
    ]


def _name(node: ast.AST) -> str | None:
    """Return the last name of `pytest.mark.skip`, called or not."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _parametrised(marks: list[ast.expr], module: ast.Module, path: str) -> tuple[str, ...]:
    """The carriers that a test is run over; none where that is not written down."""
    for mark in marks:
        if isinstance(mark, ast.Call) and _name(mark) == "parametrize" and len(mark.args) > 1:
            names, values = mark.args[:2]
            if isinstance(names, ast.Constant) and names.value == "carrier":
                try:
                    return tuple(_names_in(values, module, path))
                except BadMarker:
                    return ()
    return ()


def _names_in(node: ast.expr | None, module: ast.Module, path: str) -> Iterator[str]:
    """The strings of a literal list, tuple or table (its keys), or of one that has this name."""
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                if isinstance(item, ast.Starred):
                    yield from _names_in(item.value, module, path)
                elif isinstance(item, ast.Call) and _name(item) == "param":
                    yield _string(item.args[0], f"{path}:{item.lineno}")
                else:
                    yield _string(item, f"{path}:{item.lineno}")
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is None:  # **others
                    yield from _names_in(value, module, path)
                else:
                    yield _string(key, f"{path}:{key.lineno}")
        case ast.Name(id=name):
            found, home, place = _definition(name, module, path)
            yield from _names_in(found, home, place)
        case _:
            line = "" if node is None else f":{node.lineno}"
            raise BadMarker(f"{path}{line}: the carriers are not written down as plain strings")


def _definition(name: str, module: ast.Module, path: str) -> tuple[ast.expr, ast.Module, str]:
    """What a module's constant stands for, and where, through imports between test files."""
    for node in module.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return node.value, module, path
        elif isinstance(node, ast.ImportFrom) and any(each.name == name for each in node.names):
            file = ROOT.joinpath(*(node.module or "").split(".")).with_suffix(".py")
            if file.is_file():
                other = file.relative_to(ROOT).as_posix()
                return _definition(name, ast.parse(file.read_text("utf-8"), filename=other), other)
    raise BadMarker(f"{path}: the carriers {name} cannot be found without running the test")


def _read_marker(
    call: ast.Call, path: str, test: str, carriers: tuple[str, ...]
) -> Iterator[Proof]:
    place = f"{path}:{call.lineno}"
    named = None
    for keyword in call.keywords:
        if keyword.arg != "carrier":
            raise BadMarker(f"{place}: scenario() takes ids and carrier=, not {keyword.arg}")
        named = _string(keyword.value, place)
    if named is not None and carriers and named not in carriers:
        raise BadMarker(f"{place}: the test does not run on {named}")
    if not call.args:
        raise BadMarker(f"{place}: scenario() names no row")
    proven: tuple[str | None, ...] = (named,) if named is not None else (carriers or (None,))
    for argument in call.args:
        for carrier in proven:
            yield Proof(_string(argument, place), test, carrier)


def _string(node: ast.expr, place: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise BadMarker(f"{place}: write the marker's arguments as plain strings")


def render(areas: list[Area], proofs: list[Proof]) -> str:
    """Return the page as Markdown."""
    lines = [INTRODUCTION]
    for area in areas:
        lines += [f"## {area.area}", ""]
        lines += ["| Row | Weight | What holds | Proved by | Carriers |", "|---|---|---|---|---|"]
        for row in area.rows:
            of_row = [proof for proof in proofs if proof.row == row.id]
            tests = "<br>".join(_link(test) for test in sorted({proof.test for proof in of_row}))
            carriers = ", ".join(sorted({proof.carrier for proof in of_row if proof.carrier}))
            lines.append(f"| {row.id} | {row.weight} | {row.title} | {tests} | {carriers} |")
        lines.append("")
    return "\n".join(lines)


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name}](../{path})"


def complaints(areas: list[Area], proofs: list[Proof]) -> Iterator[str]:
    """Yield what is wrong with the proofs, whatever the page says."""
    rows = {row.id: row for area in areas for row in area.rows}
    for proof in proofs:
        if proof.row not in rows:
            yield f"{proof.test} names {proof.row}, which is not a row of {ROWS.name}"
    proved = {proof.row for proof in proofs}
    for row in rows.values():
        if row.claimed and row.id not in proved:
            yield f"{row.id} ({row.title}) is claimed and no test proves it"


def main() -> int:
    parser = argparse.ArgumentParser(description="which test proves which promise")
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a gap")
    check = parser.parse_args().check

    areas = read_areas(ROWS)
    proofs: list[Proof] = []
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        proofs += read_proofs(source, path.relative_to(ROOT).as_posix())
    page = render(areas, proofs)
    if not check:
        PAGE.write_text(page, encoding="utf-8")
        return 0

    problems = list(complaints(areas, proofs))
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        problems.append(f"{PAGE.relative_to(ROOT)} is stale: run `make docs`")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        status = main()
    except BadMarker as error:
        sys.exit(str(error))
    sys.exit(status)
