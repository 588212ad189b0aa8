"""The control lease: one holder at most, whatever is tried."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from labctl.core.control import LEASE_S, ControlLease
from labctl.errors import LeaseError


class AnyClients(RuleBasedStateMachine):
    """Clients that take, keep, give and force, with tokens new and old."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[tuple[str, str]] = []
        self.lease = ControlLease(lambda client, by: self.lost.append((client, by)))
        self.now = 1000.0
        self.given: list[str] = []
        self.holder = ("", "", -math.inf)  # client, token, until

    def is_held(self) -> bool:
        return self.now < self.holder[2]

    @rule(target=tokens, client=st.sampled_from(["desk", "office"]), force=st.booleans())
    def take(self, client: str, force: bool) -> str:
        before = self.holder[0] if self.is_held() else ""
        told = len(self.lost)
        if before and not force:
            with pytest.raises(LeaseError, match=before):
                self.lease.take(client, "10.0.0.2", self.now, force)
            return "nothing"
        token = self.lease.take(client, "10.0.0.2", self.now, force)
        assert self.lost[told:] == ([(before, client)] if before else [])
        assert token not in self.given
        self.given.append(token)
        self.holder = (client, token, self.now + LEASE_S)
        return token

    @rule(token=tokens)
    def keep(self, token: str) -> None:
        if self.is_held() and token == self.holder[1]:
            assert self.lease.keep(token, self.now) == self.now + LEASE_S
            self.holder = (*self.holder[:2], self.now + LEASE_S)
        else:
            with pytest.raises(LeaseError):
                self.lease.keep(token, self.now)

    @rule(token=tokens)
    def give(self, token: str) -> None:
        if self.lease.give(token):
            assert token == self.holder[1]
            self.holder = ("", "", -math.inf)

    @rule(seconds=st.sampled_from([1.0, 6.0, LEASE_S]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def one_token_at_most_may_command(self) -> None:
        admitted = []
        for token in (*self.given, "", "é"):
            try:
                self.lease.require(token, self.now)
                admitted.append(token)
            except LeaseError:
                pass
        assert admitted == ([self.holder[1]] if self.is_held() else [])
        client, until = self.lease.holder(self.now)
        assert (client, until) == (self.holder[::2] if self.is_held() else ("", pytest.approx(math.nan, nan_ok=True)))


TestAnyClients = AnyClients.TestCase
TestAnyClients.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)


def test_who_is_refused_is_told_who_has_it_and_since_when() -> None:
    lease = ControlLease()
    lease.take("desk", "10.0.0.2", 0.0)
    lease_text = r"^desk at 10\.0\.0\.2 has control since \d\d:\d\d:\d\d\. Ask for it there, or take it by force\.$"
    with pytest.raises(LeaseError, match=lease_text):
        lease.take("desk", "10.0.0.3", 1.0)
    with pytest.raises(LeaseError, match="You do not have control: desk at"):
        lease.require("", 1.0)
    with pytest.raises(LeaseError, match="You no longer have control; nobody has"):
        lease.require("old", LEASE_S)


def test_a_clock_set_back_prolongs_nothing() -> None:
    lease = ControlLease()
    lease.take("desk", "10.0.0.2", 1e6)
    assert lease.holder(1e6 - 3600.0) == ("desk", 1e6 - 3600.0 + LEASE_S)
    assert lease.holder(1e6 - 3600.0 + LEASE_S)[0] == ""


def test_of_many_who_take_it_at_once_one_has_it() -> None:
    lease = ControlLease()
    together = threading.Barrier(8)

    def take(number: int) -> bool:
        together.wait(10.0)
        try:
            lease.take(f"client {number}", "10.0.0.2", 0.0)
        except LeaseError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, range(8))) == 1
