"""A tenant's calls are spaced, and its exports remembered, whichever process asks."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Thread, Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.errors import ConfigurationError, TenantBusy, WarehouseUnavailable
from contact_analytics.lib.tenant import Pace, Tenant
from contact_analytics.lib.tenant_homes import Known
from contact_analytics_tests.postgres_server import postgres_server


class Watch:
    """A clock that stands still but for waiting; `sent` are the times at which a turn was had."""

    def __init__(self) -> None:
        self.now, self.sent = 1_000_000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.sent.append(self.now)


def tenant(folder: Path, pace: Pace, watch: Watch, name: str = "acme") -> Tenant:
    return Tenant(str(folder), "vendor", name, pace, watch, watch.wait)


@given(calls=st.integers(1, 5), gaps=st.lists(st.floats(0, 40), max_size=40))
def test_no_window_holds_more_calls_than_the_vendor_takes(calls: int, gaps: list[float]) -> None:
    """Whenever they are asked for, and however many the vendor takes at once."""
    pace, now, taken = Pace(calls, 30), 0.0, list[float]()
    for gap in gaps:
        now += gap
        slot = pace.slot(taken, now)
        assert slot >= now
        taken.append(slot)
    assert taken == sorted(taken)
    assert all(later - taken[place] >= 30 - 1e-6 for place, later in enumerate(taken[calls:]))


def test_a_turn_is_waited_for(tmp_path: Path) -> None:
    """The first goes at once, each further one when the vendor takes it."""
    watch = Watch()
    for _ in range(4):
        tenant(tmp_path, Pace(1, 31), watch).take_turn()
    assert [later - sooner for sooner, later in pairwise(watch.sent)] == [31, 31, 31]
    watch.now += 100
    tenant(tmp_path, Pace(1, 31), watch).take_turn()
    assert watch.sent[-1] == watch.now


def test_tenants_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Each has a limit of its own."""
    watch = Watch()
    for name in ("acme", "other", "third"):
        tenant(tmp_path, Pace(1, 31), watch, name).take_turn()
    assert watch.sent == [1_000_000.0] * 3


def test_a_clock_that_was_set_back_stops_nobody(tmp_path: Path) -> None:
    """A call that was noted for the far future is none."""
    watch = Watch()
    tenant(tmp_path, Pace(1, 31), watch).take_turn()
    watch.now -= 86_400
    tenant(tmp_path, Pace(1, 31), watch).take_turn()
    assert watch.sent[-1] == watch.now


TURNS = """
import sys, time
from contact_analytics.lib.tenant import Pace, Tenant
tenant = Tenant(sys.argv[1], "vendor", "acme", Pace(1, 0.2))
for _ in range(3):
    tenant.take_turn()
    print(time.time())
"""


def test_processes_take_turns(tmp_path: Path) -> None:
    """Two programs at one tenant keep the distance that one would."""
    both = [
        subprocess.Popen([sys.executable, "-c", TURNS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    times = sorted(float(line) for each in both for line in each.communicate(timeout=60)[0].split())
    assert len(times) == 6
    # What was printed lags behind what was sent by what the machine takes.
    assert times[-1] - times[0] >= 5 * 0.2 - 0.1


def test_an_export_is_remembered_until_it_is_forgotten(tmp_path: Path) -> None:
    """By whoever looks, in the order in which they were submitted."""
    watch = Watch()
    first = tenant(tmp_path, Pace(1, 1), watch).note({"day": "1"}, {"jobId": "a"})
    watch.now += 5
    second = tenant(tmp_path, Pace(1, 1), watch).note({"day": "2"}, {"jobId": "b"})
    assert tenant(tmp_path, Pace(1, 1), watch).submitted() == [first, second]
    tenant(tmp_path, Pace(1, 1), watch).forget(first)
    assert tenant(tmp_path, Pace(1, 1), watch).submitted() == [second]
    assert second.submitted_at.timestamp() == watch.now


def test_what_is_known_is_the_owners_and_names_no_tenant(tmp_path: Path) -> None:
    """The name may be the id of a key."""
    tenant(tmp_path, Pace(1, 1), Watch(), "secret-key-id").take_turn()
    [path] = tmp_path.glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "secret" not in path.name + path.read_text()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"calls": []}', '{"calls": [], "exports": [{"x": 1}]}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """Nothing is guessed: a guess could break the vendor's limit."""
    tenant(tmp_path, Pace(1, 1), Watch()).take_turn()
    [path] = tmp_path.glob("*.json")
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is damaged"):
        tenant(tmp_path, Pace(1, 1), Watch()).take_turn()
    assert path.read_text() == text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Many at once leave one file that can be read, with what each has noted."""
    tenants = [tenant(tmp_path, Pace(1, 1), Watch()) for _ in range(8)]
    threads = [Thread(target=each.note, args=({"n": str(n)}, {"id": str(n)})) for n, each in enumerate(tenants)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [path] = tmp_path.glob("*.json")
    assert {each["ticket"]["id"] for each in json.loads(path.read_text())["exports"]} == set("01234567")
    assert not list(tmp_path.glob(".*.part"))


def test_one_export_at_a_time(tmp_path: Path) -> None:
    """A second one waits as long as it is told to, then says who is in the way."""
    first, second = (tenant(tmp_path, Pace(1, 1), Watch()) for _ in range(2))
    with first.alone(1), pytest.raises(TenantBusy, match="one at a time"), second.alone(0.05):
        pass
    with second.alone(0.05):
        pass


def test_an_export_is_noted_though_the_database_is_away() -> None:
    """The vendor has accepted it, and takes no other while it is under way."""
    with postgres_server() as server:
        here = Tenant(f"ducklake:postgres:{server.database('tenants')}", "vendor", "acme", Pace(1, 31))
        server.control("stop", "--mode=immediate")
        back = Timer(1, server.control, ["start"])
        back.start()
        try:
            noted = here.note({"entity": "evaluations"}, {"id": "7"})
        finally:
            back.join()
        assert here.submitted() == [noted]


def test_an_export_that_was_noted_unconfirmed_is_noted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away between its commit and its answer."""
    here = tenant(tmp_path, Pace(1, 31), Watch())
    changing, answers = here._home.changing, iter([False, True])

    @contextmanager
    def unconfirmed() -> Iterator[tuple[Known, float]]:
        with changing() as known:
            yield known
        if not next(answers):
            raise WarehouseUnavailable("It went away.", "Try again.")

    monkeypatch.setattr(here._home, "changing", unconfirmed)
    noted = here.note({"entity": "evaluations"}, {"id": "7"})
    assert here.submitted() == [noted]
