"""One timer for everybody."""

from __future__ import annotations

import random

import pytest

from openclaw_voice_call.media.wheel import TimerWheel
from tests.clock import FakeClock
from tests.voice_call.media.far_end import LateClock


async def test_all_that_is_due_within_5_ms_is_one_wake_up() -> None:
    clock = FakeClock()
    timers = LateClock(clock)
    wheel = TimerWheel(timers)
    now = clock.monotonic()
    rung: list[float] = []
    for number in range(100):
        at = now + 0.0201 + number * 0.00004
        wheel.alarm(lambda at=at: rung.append(clock.monotonic() - at)).at(at)
    await clock.advance(0.020)
    assert rung == []
    await clock.advance(0.005)
    assert len(rung) == 100
    assert all(-1e-6 <= late <= 0.005 for late in rung)
    assert timers.wakes == 1
    assert clock.waiting == 0


async def test_an_alarm_rings_only_at_the_time_that_was_set_last() -> None:
    clock = FakeClock()
    wheel = TimerWheel(clock)
    now = clock.monotonic()
    rung: list[str] = []
    later, sooner, never = (wheel.alarm(lambda name=name: rung.append(name)) for name in "lsn")
    later.at(now + 0.1)
    later.at(now + 0.3)
    sooner.at(now + 0.3)
    sooner.at(now + 0.1)
    never.at(now + 0.1)
    never.at(None)
    await clock.advance(0.2)
    assert rung == ["s"]
    await clock.advance(0.2)
    assert rung == ["s", "l"]
    assert clock.waiting == 0


async def test_an_alarm_that_is_always_late_does_not_keep_the_loop_busy() -> None:
    clock = FakeClock()
    timers = LateClock(clock)
    wheel = TimerWheel(timers)
    rings = 0

    def again() -> None:
        nonlocal rings
        rings += 1
        alarm.at(0.0)

    alarm = wheel.alarm(again)
    alarm.at(0.0)
    await clock.advance(1.0)
    assert 190 <= rings <= 210
    assert timers.wakes == rings
    wheel.close()
    await clock.advance(1.0)
    assert timers.wakes == rings


async def test_a_defect_in_one_call_does_not_silence_the_others() -> None:
    clock = FakeClock()
    wheel = TimerWheel(clock)
    rung: list[int] = []

    def broken() -> None:
        raise RuntimeError("a defect")

    at = clock.monotonic() + 0.1
    wheel.alarm(lambda: rung.append(1)).at(at)
    wheel.alarm(broken).at(at)
    wheel.alarm(lambda: rung.append(2)).at(at)
    with pytest.raises(RuntimeError):
        await clock.advance(0.2)
    await clock.advance(0.2)
    assert sorted(rung) == [1, 2]


async def test_lateness_is_seen_and_forgotten() -> None:
    clock = FakeClock()
    timers = LateClock(clock)
    wheel = TimerWheel(timers)

    def again() -> None:
        alarm.at(clock.monotonic() + 0.020)

    alarm = wheel.alarm(again)
    again()
    await clock.advance(1.0)
    assert wheel.lateness_ms == 0, "too little to judge by"
    await clock.advance(4.0)
    assert wheel.lateness_ms < 1
    timers.late_s = lambda: 0.030
    await clock.advance(10.0)
    assert wheel.lateness_ms == pytest.approx(30, abs=1)
    alarm.at(None)
    await clock.advance(11.0)
    assert wheel.lateness_ms == 0, "nobody is being served"


async def test_any_times_are_kept() -> None:
    clock = FakeClock()
    timers = LateClock(clock)
    wheel = TimerWheel(timers)
    dice = random.Random(1)
    timers.late_s = lambda: dice.choice((0.0, 0.0, 0.017))
    due: list[float] = []
    rung: list[tuple[float, float]] = []
    for _ in range(2000):
        at = clock.monotonic() + dice.uniform(-0.01, 0.2)
        due.append(at)
        wheel.alarm(lambda at=at: rung.append((at, clock.monotonic()))).at(at)
        if dice.random() < 0.2:
            await clock.advance(dice.uniform(0, 0.05))
    await clock.advance(1.0)
    assert sorted(at for at, _ in rung) == sorted(due)
    assert all(-0.001 <= rung_at - at <= 0.040 for at, rung_at in rung)
