"""The picture of a call: well-formed, complete, readable on light and dark, nothing outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from examples.demo import account
from examples.demo.picture import (
    COLOURS,
    WIDTH,
    Answer,
    CallPicture,
    Interruption,
    Stage,
    Words,
    call_svg,
)
from tests.demo.calls import FACTS, recording

SVG = "{http://www.w3.org/2000/svg}"
STAGES = ("words final", "first token", "first sentence", "first audio", "first frame")
_NAMES = "title head small end mid number lost faint badge edge bubble dot"
UNCOLOURED = frozenset(_NAMES.split(" "))


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - it is ours


def real() -> CallPicture:
    legs = account.legs(recording())
    return account.picture(
        FACTS, legs, title="Ann & Bob", subtitle="a < b", note="real", caller="Ann"
    )


def texts(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def luminance(colour: str) -> float:
    """WCAG 2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_tells_all_that_was_said_heard_and_measured() -> None:
    root = parsed(call_svg(real()))
    told = texts(root)
    joined = " ".join(told)
    for text in ("Ann & Bob", "a < b", "Dinner at nine?", "<Harbour> & Sons. It has", "fish and"):
        assert text in joined
    assert {"600 ms", "700 ms", "silent in 200 ms", "590", "-"} <= set(told)
    assert [second for second in map(str, range(10)) if second not in told] == []


def test_what_was_not_heard_looks_different() -> None:
    root = parsed(call_svg(real()))
    lost = [each.text for each in root.iter(f"{SVG}text") if "lost" in each.get("class", "")]
    assert " ".join(map(str, lost)) == "fish and wine."


def test_the_wave_is_where_the_sound_is() -> None:
    """The caller speaks twice, for a second each, in the first two thirds of nine seconds."""
    outline = re.search(r'<path class="caller" d="M(.*?)Z"', call_svg(real()))
    assert outline is not None
    points = [tuple(map(float, pair.split())) for pair in outline[1].split("L")]
    upper, lower = points[: len(points) // 2], points[len(points) // 2 :]
    line = (upper[0][1] + lower[-1][1]) / 2
    loud = [x for x, y in upper if y < line - 20]
    seconds = [(x - loud[0]) / (loud[-1] - loud[0]) * 4.5 + 2 for x in loud]
    assert len(loud) == 100
    assert all(2 <= at <= 3.01 or 5.49 <= at <= 6.5 for at in seconds)
    assert [y for _, y in reversed(lower)] == [round(2 * line - y, 1) for _, y in upper]


def test_it_needs_nothing_from_elsewhere() -> None:
    svg = call_svg(real())
    assert not re.search(r"<script|<image|<foreignObject|href|url\(|@import|@font-face", svg)


def test_colours_are_readable_on_both_grounds() -> None:
    for scheme in (0, 1):
        paper = luminance(COLOURS["paper"][scheme])
        for name in COLOURS.keys() - {"paper", "line"}:
            other = luminance(COLOURS[name][scheme])
            contrast = (max(paper, other) + 0.05) / (min(paper, other) + 0.05)
            # WCAG 2.2, 1.4.3: 3 for large text and graphics, 4.5 for the rest.
            least = 4.5 if name in ("ink", "soft", "caller", "agent") else 3
            assert contrast >= least, (name, scheme)


def test_every_class_is_drawn_somehow() -> None:
    for element in parsed(call_svg(real())).iter():
        for name in element.get("class", "").split():
            assert name in UNCOLOURED or name.removesuffix("-edge") in COLOURS, name


@st.composite
def calls(draw: st.DrawFn) -> CallPicture:
    seconds = draw(st.integers(1, 90))
    loudness = st.lists(st.floats(-100, 0), max_size=30)
    edges = sorted(draw(st.lists(st.floats(0, seconds), max_size=16)))
    said = st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
    sentence = st.lists(said, max_size=25).map(" ".join)
    words = [
        Words(draw(st.booleans()), begin, end, draw(sentence), draw(sentence))
        for begin, end in zip(edges[::2], edges[1::2], strict=False)
    ]
    ms = st.none() | st.integers(-2000, 20_000)
    answers = [
        Answer(each.text, each.end_s, [Stage(name, draw(ms)) for name in STAGES])
        for each in words
        if not each.by_agent
    ]
    cuts = [Interruption(each.begin_s, each.begin_s + 0.2) for each in words if each.by_agent]
    quiet = [-100.0] * (50 * seconds)
    return CallPicture(
        *(draw(sentence) for _ in range(4)),
        caller_dbfs=quiet + draw(loudness),
        agent_dbfs=draw(loudness),
        words=words,
        answers=answers,
        interruptions=cuts,
        note=draw(sentence),
    )


def bubbles(root: ElementTree.Element, kind: str) -> Iterator[tuple[float, float]]:
    for each in root.iter(f"{SVG}rect"):
        if each.get("class") == f"bubble paper {kind}-edge":
            x, width = float(each.get("x", "")), float(each.get("width", ""))
            yield x, x + width


@settings(deadline=None, max_examples=60)
@given(calls())
def test_any_call_gives_a_picture_with_everything_inside(call: CallPicture) -> None:
    root = parsed(call_svg(call))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert width == WIDTH
    for element in root.iter():
        if "y" in element.attrib:
            assert 0 <= float(element.attrib["y"]) + float(element.get("height", "0")) <= height
    for kind in ("caller", "agent"):
        assert all(0 <= begin < end <= WIDTH for begin, end in bubbles(root, kind))
