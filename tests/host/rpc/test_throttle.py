"""Wrong secrets per address."""

from __future__ import annotations

from openclaw.rpc.throttle import AuthThrottle


def test_ten_failures_in_a_minute_lock_for_five() -> None:
    throttle = AuthThrottle()
    for second in range(9):
        throttle.failed("a", second)
    assert throttle.locked_for("a", 9) == 0.0
    throttle.failed("a", 9)
    assert throttle.locked_for("a", 9) == 300.0
    assert throttle.locked_for("a", 308.5) == 0.5
    assert throttle.locked_for("a", 309) == 0.0
    assert throttle.locked_for("b", 9) == 0.0


def test_failures_spread_over_time_do_not_lock() -> None:
    throttle = AuthThrottle()
    for minute in range(100):
        throttle.failed("a", minute * 7.0)
        assert throttle.locked_for("a", minute * 7.0) == 0.0


def test_success_forgives() -> None:
    throttle = AuthThrottle(limit=2)
    throttle.failed("a", 0)
    throttle.succeeded("a")
    throttle.failed("a", 1)
    assert throttle.locked_for("a", 1) == 0.0


def test_many_addresses_do_not_fill_the_memory() -> None:
    throttle = AuthThrottle(limit=1, max_addresses=10)
    for n in range(1000):
        throttle.failed(f"address {n}", n)
    assert throttle.locked_for("address 0", 1000) == 0.0
    assert throttle.locked_for("address 999", 1000) > 0.0
