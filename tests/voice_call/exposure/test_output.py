"""Lines of a program: any chunking gives the same ones, bounded, without secrets."""

from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.exposure.ngrok_log import AgentEvent, TunnelStarted, read_line
from openclaw_voice_call.exposure.output import (
    MAX_LINE_CHARS,
    REDACTED,
    LineSplitter,
    Redaction,
)

OUTPUT = st.lists(
    st.sampled_from([b"a", b"\n", b"\r\n", b"\xc3\xbc", b"\xff", b"x" * 1500, b'{"url":"u"}']),
    max_size=20,
).map(b"".join)


def lines_of(*chunks: bytes) -> list[str]:
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()


@given(OUTPUT, st.integers(1, 7))
def test_any_chunking_gives_the_same_lines(output: bytes, size: int) -> None:
    chunks = [output[start : start + size] for start in range(0, len(output), size)]
    assert lines_of(*chunks) == lines_of(output)
    expected = [part[:MAX_LINE_CHARS].decode("utf-8", "replace") for part in output.split(b"\n")]
    if not expected[-1]:
        expected.pop()
    assert lines_of(output) == [line.rstrip("\r") for line in expected]


def test_secrets_are_replaced_longest_first() -> None:
    hide = Redaction(["tok", "tok-long", ""])
    assert hide("a tok-long b tok") == f"a {REDACTED} b {REDACTED}"
    assert "tok" not in repr(hide)


@given(st.text(max_size=200) | OUTPUT.map(lambda b: b.decode("utf-8", "replace")))
def test_any_line_of_an_agent_is_an_event_or_nothing(line: str) -> None:
    assert isinstance(read_line(line), AgentEvent | None)


def test_only_a_started_tunnel_gives_a_url() -> None:
    assert read_line('{"msg":"started tunnel","url":"https://x"}') == TunnelStarted("https://x")
    for line in ('{"msg":"started tunnel"}', '{"url":"https://x"}', '["started tunnel"]', "{"):
        assert read_line(line) is None
