"""Leases: one holder at a time, all or nothing, given back whatever happens."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from labctl.errors import LeaseError
from labctl.station.leases import Leases

SOON_S = 10.0  # real time that is never needed


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_lease_is_held_for_the_block_and_no_longer() -> None:
    leases = Leases()
    with leases.hold(["analyzer", "rf_switch"], "joint"):
        assert leases.holders() == {"analyzer": "joint", "rf_switch": "joint"}
    assert leases.holders() == {}


def test_who_has_what_is_named_and_nothing_is_taken() -> None:
    leases = Leases()
    with leases.hold(["analyzer"], "joint"), leases.hold(["scan"], "relock"):
        with pytest.raises(LeaseError) as refusal, leases.hold(["digitizer", "analyzer", "scan"], "noise"):
            pytest.fail("two holders")
        assert str(refusal.value) == (
            "noise cannot start: in use are analyzer (by joint), scan (by relock). Wait for it to end, or stop it."
        )
        assert leases.holders() == {"analyzer": "joint", "scan": "relock"}
        with leases.hold(["digitizer"], "noise"):
            assert leases.holders()["digitizer"] == "noise"


def test_a_lease_is_given_back_when_the_block_fails() -> None:
    leases = Leases()
    with pytest.raises(KeyboardInterrupt), leases.hold(["analyzer"], "joint"):
        raise KeyboardInterrupt
    assert leases.holders() == {}


def test_the_same_holder_does_not_get_a_role_twice() -> None:
    leases = Leases()
    with leases.hold(["analyzer"], "joint"):
        with pytest.raises(LeaseError), leases.hold(["analyzer"], "joint"):
            pytest.fail("the inner block would give the lease back too early")
        assert leases.holders() == {"analyzer": "joint"}


def test_the_list_of_holders_is_a_copy() -> None:
    leases = Leases()
    leases.holders()["analyzer"] = "nobody"
    assert leases.holders() == {}


def test_no_role_is_a_lease_of_nothing() -> None:
    leases = Leases()
    with leases.hold([], "warm"):
        assert leases.holders() == {}


@pytest.mark.usefixtures("eager_threads")
def test_two_threads_never_hold_one_role_together() -> None:
    leases = Leases()
    inside = {"a": 0, "b": 0}
    start = threading.Barrier(4)

    def work(number: int) -> int:
        roles = ["a", "b"] if number % 2 else ["b", "a"]
        held = 0
        start.wait(SOON_S)
        while held < 100:
            try:
                with leases.hold(roles, f"thread {number}"):
                    for role in roles:
                        inside[role] += 1
                    assert inside == {"a": 1, "b": 1}
                    for role in roles:
                        inside[role] -= 1
                    held += 1
            except LeaseError:
                continue
        return held

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [100] * 4
    assert leases.holders() == {}
