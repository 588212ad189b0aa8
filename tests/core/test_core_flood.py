"""The guard against floods of commands."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.core.flood import BURST, MOST_REMEMBERED, NAMES_PER_PEER, RATE_HZ, FloodGuard

PEER = "10.0.0.2"
GAPS = st.lists(st.floats(0.0, 2.0), min_size=1, max_size=40)


@settings(deadline=None, max_examples=30)
@given(gaps=GAPS, names=st.integers(1, 3))
def test_never_more_than_a_burst_and_the_rate(gaps: list[float], names: int) -> None:
    """Over any stretch of time, for each name, and for all names of an address together."""
    guard = FloodGuard(rate_hz=2.0, burst=5)
    now, admitted = 0.0, []
    for count, gap in enumerate(gaps):
        now += gap
        for number in range(8):
            name = f"screen {(count + number) % names}"
            if guard.admit(PEER, name, now):
                admitted.append((now, name))
    for first, (begin, name) in enumerate(admitted):
        same = [at for at, other in admitted[first:] if other == name]
        for number, at in enumerate(same, start=1):
            assert number <= 5 + 2.0 * (at - begin) + 1e-6
    assert guard.admit(PEER, "screen 0", now + 2.5)


def test_who_keeps_to_the_rate_is_never_refused() -> None:
    guard = FloodGuard()
    assert all(guard.admit(PEER, "desk", number / RATE_HZ) for number in range(5 * BURST))


def test_one_client_does_not_stop_another_and_new_names_gain_nothing() -> None:
    guard = FloodGuard()
    assert sum(guard.admit(PEER, "script", 0.0) for _ in range(10 * BURST)) == BURST
    assert guard.admit(PEER, "desk", 0.0)
    assert sum(guard.admit("10.0.0.9", f"name {k}", 0.0) for k in range(2000)) == NAMES_PER_PEER * BURST
    assert guard.admit(PEER, "desk", 0.0)


def test_what_is_remembered_is_bounded_and_no_flood_is_forgotten() -> None:
    guard = FloodGuard(most=4)
    for number in range(100):
        guard.admit(f"10.0.1.{number}", "x" * 10_000, float(number) * 10.0)
    assert guard.remembered == 4
    guard = FloodGuard(most=4)
    while guard.admit(PEER, "script", 0.0):
        pass
    for number in range(20):
        guard.admit(f"10.0.1.{number}", "x", 0.1)
    assert guard.remembered == 4
    assert sum(guard.admit(PEER, "script", 0.1) for _ in range(BURST)) <= 0.1 * RATE_HZ
    # One address cannot take all places.
    assert NAMES_PER_PEER * 2 * BURST < MOST_REMEMBERED  # names within the time in which a bucket fills


def test_it_is_told_once_a_minute() -> None:
    guard = FloodGuard()
    assert guard.complaint(PEER, "script", 0.0) == ""
    for _ in range(BURST + 3):
        guard.admit(PEER, "script", 0.0)
    text = "script at 10.0.0.2 sends more than 20 commands a second; 3 were refused."
    assert guard.complaint(PEER, "script", 0.0) == text
    assert sum(guard.admit(PEER, "script", 1.0) for _ in range(BURST)) == RATE_HZ
    assert guard.complaint(PEER, "script", 59.0) == ""
    assert "40 were refused" in guard.complaint(PEER, "script", 60.0)
    assert guard.complaint(PEER, "script", 200.0) == ""  # it stopped
    for number in range(NAMES_PER_PEER * BURST + 1):
        guard.admit("10.0.0.9", f"name {number}", 0.0)
    assert guard.complaint("10.0.0.9", "name 0", 0.0) == (
        "10.0.0.9, under several names, sends more than 80 commands a second; 1 was refused."
    )
