"""A call as a picture: who sounds when, who says what, how long each answer took. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

WIDTH: Final = 1280
MARGIN: Final = 32
LEFT: Final = 104
"""Where the time axis begins; the names of the parties stand before it."""
LANE_PX: Final = 38
"""Half the height of the loudest sound."""
BETWEEN_PX: Final = 92
"""Between the lanes, where waiting is shown and, below it, an interruption."""
WAIT_PX: Final = 24
LINE_PX: Final = 17
CHAR_PX: Final = 7.2
"""A character on average, in 13 px."""
SOFTEST_DBFS: Final = -50.0
LOUDEST_DBFS: Final = -8.0
FRAME_S: Final = 0.02
ROW_PX: Final = 30
GRAPH_LEFT: Final = 372
GRAPH_RIGHT: Final = 840
COLUMN_PX: Final = 80

COLOURS: Final = {
    "paper": ("#fbfbf9", "#16191d"),
    "ink": ("#22262b", "#e8eaec"),
    "soft": ("#6a7078", "#99a1aa"),
    "line": ("#dcdedb", "#343a41"),
    "caller": ("#0072b2", "#56b4e9"),
    "agent": ("#00805f", "#2fc79b"),
    "wait": ("#b57300", "#f0b040"),
    "cut": ("#c8430a", "#ff8552"),
    "s1": ("#0072b2", "#56b4e9"),
    "s2": ("#8a5fbf", "#b795e8"),
    "s3": ("#b8487f", "#e583b4"),
    "s4": ("#b57300", "#f0b040"),
    "s5": ("#00805f", "#2fc79b"),
}
"""On a light and on a dark ground; told apart with weak colour vision, too."""
SHAPES: Final = """
text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 13px }
.title { font-size: 22px; font-weight: 600 } .head { font-weight: 600 }
.small { font-size: 11.5px } .end { text-anchor: end } .mid { text-anchor: middle }
.number { font-size: 12.5px; font-variant-numeric: tabular-nums } .lost { font-style: italic }
.faint { opacity: .22 } .badge { font-size: 11px; font-weight: 700 }
.edge { fill: none } .bubble { stroke-width: 1.2 } .dot { stroke-width: 1.5 }
"""


@dataclass(frozen=True, slots=True)
class Words:
    """What one party said without the other answering. Times in seconds from the beginning."""

    by_agent: bool
    begin_s: float
    end_s: float
    text: str
    unheard: str = ""
    """What would have followed, had nobody interrupted."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step on the way to an answer, in ms from the end of the caller's speech."""

    name: str
    ms: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer came about; the last stage is when it began to be heard."""

    asked: str
    asked_end_s: float
    stages: Sequence[Stage]

    @property
    def waited_ms(self) -> int:
        return self.stages[-1].ms or 0


@dataclass(frozen=True, slots=True)
class Interruption:
    """The caller spoke while we did, and when we fell silent."""

    begin_s: float
    silent_s: float

    @property
    def lasted_ms(self) -> int:
        return max(round((self.silent_s - self.begin_s) * 1000), 0)


@dataclass(frozen=True, slots=True)
class CallPicture:
    title: str
    subtitle: str
    caller_name: str
    agent_name: str
    caller_dbfs: Sequence[float]
    """The loudness of each 20 ms."""
    agent_dbfs: Sequence[float]
    words: Sequence[Words]
    answers: Sequence[Answer]
    interruptions: Sequence[Interruption]
    note: str = ""

    @property
    def length_s(self) -> float:
        return max(len(self.caller_dbfs), len(self.agent_dbfs), 50) * FRAME_S


def call_svg(call: CallPicture) -> str:
    """The picture as one SVG file, for light and dark backgrounds, without scripts or fonts."""
    plan = _Plan(call)
    body = "\n".join(
        (
            *_header(call),
            *_grid(plan),
            *_lanes(plan),
            *_bubbles(plan),
            *_waits(plan),
            *_cuts(plan),
            *_stages(plan),
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {plan.height:.0f}" '
        f'role="img" aria-label={quoteattr(call.title)}>\n<style>{_style()}</style>\n'
        f'<rect class="paper" width="{WIDTH}" height="{plan.height:.0f}"/>\n{body}\n</svg>\n'
    )


def _style() -> str:
    """For viewers that know nothing of dark grounds, the light one comes first and alone."""
    light, dark = (
        "\n".join(
            f".{name} {{ fill: {pair[at]} }} .{name}-edge {{ stroke: {pair[at]} }}"
            for name, pair in COLOURS.items()
        )
        for at in (0, 1)
    )
    return f"{SHAPES}{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


@dataclass(frozen=True, slots=True)
class _Bubble:
    words: Words
    x: float
    width: float
    lines: Sequence[tuple[str, bool]]
    """Each with whether it was not heard."""


class _Plan:
    """Where everything stands."""

    def __init__(self, call: CallPicture) -> None:
        self.call = call
        self.per_s = (WIDTH - MARGIN - LEFT) / call.length_s
        self.above = self._row(by_agent=False)
        self.below = self._row(by_agent=True)
        self.top = 96.0
        self.caller_y = self.top + _tallest(self.above) + 16 + LANE_PX
        self.wait_y = self.caller_y + LANE_PX + WAIT_PX
        self.agent_y = self.caller_y + 2 * LANE_PX + BETWEEN_PX
        self.below_y = self.agent_y + LANE_PX + 16
        self.axis_y = self.below_y + _tallest(self.below) + 14
        self.stages_y = self.axis_y + 78
        rows_end = self.stages_y + 40 + ROW_PX * len(call.answers)
        self.height = rows_end + (52 if call.note else 28)

    def x(self, at_s: float) -> float:
        return LEFT + at_s * self.per_s

    def _row(self, *, by_agent: bool) -> Sequence[_Bubble]:
        said = [words for words in self.call.words if words.by_agent == by_agent]
        ends = [self.x(words.begin_s) - 8 for words in said[1:]]
        bubbles: list[_Bubble] = []
        for words, room_end in zip(said, [*ends, float(WIDTH - MARGIN)], strict=False):
            x = min(self.x(words.begin_s), WIDTH - MARGIN - 90)
            wished = max(self.x(words.end_s) - x, 132.0)
            width = max(min(wished, room_end - x), 72.0)
            most = max(int((width - 14) / CHAR_PX), 8)
            heard = len(words.text.split())
            lines = _wrapped([*words.text.split(), *words.unheard.split()], heard, most)
            bubbles.append(_Bubble(words, x, width, lines))
        return bubbles


def _header(call: CallPicture) -> Iterator[str]:
    yield _text(MARGIN, 42, call.title, "title")
    yield _text(MARGIN, 64, call.subtitle, "soft")
    legend = (("caller", call.caller_name), ("agent", call.agent_name))
    marks = (*legend, ("wait", "waiting for the answer"), ("cut", "interruption"))
    x = WIDTH - MARGIN - sum(30 + len(name) * CHAR_PX for _, name in marks)
    for kind, name in marks:
        yield f'<rect class="{kind}" x="{x:.1f}" y="32" width="11" height="11" rx="3"/>'
        yield _text(x + 17, 42, name)
        x += 30 + len(name) * CHAR_PX


def _grid(plan: _Plan) -> Iterator[str]:
    step = next(each for each in (1, 2, 5, 10, 30, 60, 300) if each * plan.per_s >= 40)
    for second in range(0, int(plan.call.length_s) + 1, step):
        x = plan.x(second)
        yield f'<path class="edge line-edge" d="M{x:.1f} {plan.top:.0f}V{plan.axis_y:.0f}"/>'
        yield _text(x, plan.axis_y + 17, str(second), "soft small mid")
    yield _text(LEFT - 14, plan.axis_y + 17, "seconds", "soft small end")


def _lanes(plan: _Plan) -> Iterator[str]:
    call = plan.call
    lanes = (
        ("caller", call.caller_name, "left", plan.caller_y, call.caller_dbfs),
        ("agent", call.agent_name, "right", plan.agent_y, call.agent_dbfs),
    )
    for kind, name, channel, y, loudness in lanes:
        yield _text(LEFT - 14, y, name, f"head end {kind}")
        yield _text(LEFT - 14, y + 16, f"{channel} channel", "soft small end")
        yield f'<path class="edge line-edge" d="M{LEFT} {y:.1f}H{WIDTH - MARGIN}"/>'
        yield f'<path class="{kind}" d="{_envelope(plan, loudness, y)}"/>'


def _envelope(plan: _Plan, loudness: Sequence[float], y: float) -> str:
    """The outline of the sound, the same above and below the line."""
    span = LOUDEST_DBFS - SOFTEST_DBFS
    halves = [LANE_PX * min(max((dbfs - SOFTEST_DBFS) / span, 0), 1) for dbfs in loudness]
    points = [
        (plan.x((place + 0.5) * FRAME_S), half)
        for place, half in enumerate(halves)
        # Within a silence nothing changes.
        if half or any(halves[max(place - 1, 0) : place + 2])
    ]
    upper = [f"{x:.1f} {y - half:.1f}" for x, half in points]
    lower = [f"{x:.1f} {y + half:.1f}" for x, half in reversed(points)]
    return f"M{'L'.join([*upper, *lower])}Z" if points else ""


def _bubbles(plan: _Plan) -> Iterator[str]:
    for bubble in (*plan.above, *plan.below):
        agent = bubble.words.by_agent
        kind, tall = "agent" if agent else "caller", len(bubble.lines) * LINE_PX + 9
        y = plan.below_y if agent else plan.caller_y - LANE_PX - 16 - tall
        said = f"{bubble.words.begin_s:.1f} to {bubble.words.end_s:.1f} s"
        yield f"<g><title>{said}</title>"
        yield (
            f'<rect class="bubble paper {kind}-edge" x="{bubble.x:.1f}" y="{y:.1f}" '
            f'width="{bubble.width:.1f}" height="{tall}" rx="7"/>'
        )
        foot = (y, y - 9) if agent else (y + tall, y + tall + 9)
        yield f'<path class="{kind}-edge" d="M{bubble.x + 10:.1f} {foot[0]:.1f}V{foot[1]:.1f}"/>'
        for place, (line, lost) in enumerate(bubble.lines):
            style = "soft lost" if lost else ""
            yield _text(bubble.x + 7, y + 17 + place * LINE_PX, line, style)
        yield "</g>"


def _waits(plan: _Plan) -> Iterator[str]:
    """How long the caller waited, from their last sound to our first."""
    y = plan.wait_y
    for number, answer in enumerate(plan.call.answers, 1):
        begin = plan.x(answer.asked_end_s)
        end = plan.x(answer.asked_end_s + answer.waited_ms / 1000)
        yield (
            f'<path class="edge wait-edge" stroke-dasharray="2 3" '
            f'd="M{begin:.1f} {plan.caller_y:.1f}V{y:.1f}M{end:.1f} {y:.1f}V{plan.agent_y:.1f}"/>'
        )
        yield (
            f'<rect class="wait" x="{begin:.1f}" y="{y - 4:.1f}" width="{max(end - begin, 1):.1f}" '
            f'height="8" rx="4"/>'
        )
        yield from _badge(begin, y, number)
        yield _text(end + 8, y + 4.5, f"{answer.waited_ms} ms", "head wait")


def _badge(x: float, y: float, number: int) -> Iterator[str]:
    yield f'<circle class="wait" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
    yield _text(x, y + 4, str(number), "badge paper mid")


def _cuts(plan: _Plan) -> Iterator[str]:
    y = plan.agent_y - LANE_PX
    for each in plan.call.interruptions:
        begin, end = plan.x(each.begin_s), plan.x(each.silent_s)
        tall = plan.agent_y + LANE_PX - plan.caller_y
        yield (
            f'<rect class="cut faint" x="{begin:.1f}" y="{plan.caller_y:.1f}" '
            f'width="{max(end - begin, 1):.1f}" height="{tall:.1f}"/>'
        )
        yield (
            f'<path class="edge cut-edge" stroke-width="2" d="M{end:.1f} {plan.caller_y:.1f}'
            f'V{plan.agent_y + LANE_PX:.1f}"/>'
        )
        yield _text(begin - 8, y - 24, "interrupted:", "head cut end")
        yield _text(begin - 8, y - 8, f"silent in {each.lasted_ms} ms", "cut end")


def _stages(plan: _Plan) -> Iterator[str]:
    answers = plan.call.answers
    if not answers:
        return
    y = plan.stages_y
    yield _text(MARGIN, y, "How each answer came about", "head")
    yield _text(MARGIN, y + 18, "ms after the caller's last sound", "soft small")
    known = [stage.ms for answer in answers for stage in answer.stages if stage.ms is not None]
    step, most = _scale(max([*known, 100]))
    bottom = y + 32 + ROW_PX * len(answers)
    for ms in range(0, most + 1, step):
        x = _graph_x(ms, most)
        yield f'<path class="edge line-edge" d="M{x:.1f} {y + 24:.1f}V{bottom:.1f}"/>'
        yield _text(x, y + 14, str(ms), "soft small mid")
    columns = [GRAPH_RIGHT + 76 + COLUMN_PX * place for place in range(len(answers[0].stages))]
    for place, (x, stage) in enumerate(zip(columns, answers[0].stages, strict=True), 1):
        first, _, second = stage.name.partition(" ")
        yield f'<circle class="s{place}" cx="{x - 46:.1f}" cy="{y - 4:.1f}" r="5"/>'
        yield _text(x, y, first, "small end")
        yield _text(x, y + 14, second, "small end")
    for number, answer in enumerate(answers, 1):
        yield from _stage_row(answer, number, y + 44 + ROW_PX * (number - 1), most, columns)
    if plan.call.note:
        yield _text(MARGIN, plan.height - 18, plan.call.note, "soft small")


def _stage_row(
    answer: Answer, number: int, y: float, most: int, columns: Sequence[float]
) -> Iterator[str]:
    yield from _badge(MARGIN + 9, y, number)
    yield _text(MARGIN + 26, y + 4.5, _shortened(answer.asked, 44))
    begin, end = _graph_x(0, most), _graph_x(answer.waited_ms, most)
    yield (
        f'<rect class="wait faint" x="{begin:.1f}" y="{y - 4:.1f}" width="{end - begin:.1f}" '
        f'height="8" rx="4"/>'
    )
    stages = list(enumerate(zip(answer.stages, columns, strict=True), 1))
    # The last is drawn first and larger: the one before it is often in the same place.
    for place, (stage, column) in reversed(stages):
        if stage.ms is None:
            yield _text(column, y + 4.5, "-", "number end soft")
            continue
        x, radius = _graph_x(stage.ms, most), 9 if place == len(stages) else 6
        yield (
            f'<circle class="s{place} dot paper-edge" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
            f"<title>{escape(stage.name)}: {stage.ms} ms</title></circle>"
        )
        yield _text(column, y + 4.5, str(stage.ms), "number end")


def _graph_x(ms: float, most: int) -> float:
    return GRAPH_LEFT + (GRAPH_RIGHT - GRAPH_LEFT) * max(ms, 0) / most


def _scale(largest: int) -> tuple[int, int]:
    """A round step, and the multiple of it that holds everything."""
    steps = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000)
    step = next((each for each in steps if largest <= each * 8), 600_000)
    return step, -(-largest // step) * step


def _wrapped(words: Iterable[str], heard: int, most: int) -> Sequence[tuple[str, bool]]:
    """Lines of at most `most` characters; a new one begins where hearing ended."""
    lines: list[tuple[str, bool]] = []
    for place, word in enumerate(words):
        lost = place >= heard
        if lines and lines[-1][1] == lost and len(lines[-1][0]) + 1 + len(word) <= most:
            lines[-1] = (f"{lines[-1][0]} {word}", lost)
        else:
            lines.append((word, lost))
    return lines


def _tallest(bubbles: Sequence[_Bubble]) -> float:
    return max((len(each.lines) * LINE_PX + 9 for each in bubbles), default=0)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}\u2026"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    coloured = kind if COLOURS.keys() & kind.split() else f"ink {kind}".strip()
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{coloured}">{escape(text)}</text>'
