"""Each target for two seconds, and the inputs that once broke the rule."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from openclaw_voice_call.carriers.registry import CARRIERS
from tests.fuzz.campaign import Broken, Target, judge, run
from tests.fuzz.targets import all_targets

SMOKE_S = 2.0
NAMES = (
    *(f"{what}:{carrier}" for what in ("webhook", "media") for carrier in sorted(CARRIERS)),
    *("stream_pass", "websocket"),
    *("public_url", "links", "rpc", "connect", "peer", "arguments", "calls.jsonl", "log"),
    *("config", "pairings"),
)
DEEP = b"[" * 5000
FOUND: Sequence[tuple[str, bytes]] = (
    ("webhook:mock", b"POST /\xd3\r\nx-mock-signature: 1771200000.\xd3\r\n\r\n{}"),
    ("webhook:mock", b"POST /\r\n\r\n" + DEEP),
    ("webhook:mock", b'POST /\r\n\r\n{"type":"\xb0"}'),
    (
        "webhook:twilio",
        b"GET /?type=status&call=\xff&CallSid=CA0123456789abcdef0123456789abcdef\r\n\r\n",
    ),
    ("peer", b"GET /\r\nhost: 127.0.0.1\r\norigin: http://[\r\n\r\n"),
    ("calls.jsonl", b'{"callId":"x","metadata":' + b'{"a":' * 3000),
    ("calls.jsonl", b'{"callId":"x","metadata":{"lastTurnCompletedAt":1' + b"0" * 400 + b"}}"),
    ("log", DEEP),
    ("log", '{"\u00b21": "x", "_meta": {}}'.encode()),
    ("pairings", b'{"waiting":"\xab"}'),
    ("pairings", DEEP),
    ("stream_pass", b"call/1/\xd3"),
    *((f"media:{carrier}", DEEP) for carrier in sorted(CARRIERS)),
)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Target]]:
    with all_targets(tmp_path_factory.mktemp("fuzz")) as targets:
        yield {target.name: target for target in targets}


def test_every_target_is_named_here(targets: Mapping[str, Target]) -> None:
    assert set(targets) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_or_a_documented_error(name: str, targets: Mapping[str, Target]) -> None:
    tally = run(targets[name], SMOKE_S, seed=0)
    assert tally.inputs > 20
    # Were all refused at once, nothing would have been tried.
    assert tally.inputs > sum(tally.refused.values())


@pytest.mark.parametrize(("name", "data"), FOUND, ids=[name for name, _ in FOUND])
def test_what_was_found_once_stays_away(
    name: str, data: bytes, targets: Mapping[str, Target]
) -> None:
    judge(targets[name], data)


def test_a_broken_rule_is_found_and_can_be_repeated(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        if b'"to": null' in data:
            raise KeyError("to")
        raise ValueError("documented")

    target = Target("broken", [b'{"to": "+15550005678"}'], read, (ValueError,))
    with pytest.raises(Broken, match="KeyError") as first:
        run(target, 20.0, seed=1)
    with pytest.raises(Broken) as again:
        run(target, 20.0, seed=1)
    assert again.value.data == first.value.data
    file = first.value.save(tmp_path)
    with pytest.raises(Broken):
        judge(target, file.read_bytes())
