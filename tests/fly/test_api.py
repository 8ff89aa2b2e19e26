"""The client of the Machines API: refusals told apart, limits kept, what was not answered looked up."""

from __future__ import annotations

import time

import pytest

from claude_workers.errors import BadInput, Limited, NoCredentials, NotFinished, Refused, Unreachable, WorkersError
from claude_workers.fly import faults
from claude_workers.fly.api import Fly
from claude_workers.fly.pace import Pace
from tests.fly.fake import FakeFly, Fault

# As several projects met them in the wild.
SEEN = [
    (409, '{"error":"could not reserve resource for machine: insufficient memory available"}', faults.NoCapacity),
    (412, '{"error":"insufficient resources to create new machine with existing volume"}', faults.NoCapacity),
    (400, '{"error":"no capacity available in this region"}', faults.NoCapacity),
    (422, '{"error":"x","status":"insufficient_capacity"}', faults.NoCapacity),
    (422, '{"error":"x","status":"volume_placement_capacity"}', faults.NoCapacity),
    (403, '{"error":"over the allowed quota of memory"}', faults.Quota),
    (422, '{"error":"please add a payment method"}', faults.Payment),
    (402, "{}", faults.Payment),
    (409, '{"error":"lease currently held by a@b"}', faults.Leased),
    (412, '{"error":"machine version mismatch","status":"failed_precondition"}', faults.Changed),
    (412, '{"error":"unable to start machine from current state: \'replacing\'"}', faults.Changed),
    (404, '{"error":"machine not found"}', faults.Gone),
    (400, '{"error":"volume not found"}', faults.Gone),
    (401, '{"error":"quota"}', NoCredentials),
    (403, '{"error":"no"}', Refused),
    (422, '{"message":"name is bad"}', BadInput),
    (408, "{}", NotFinished),
    (429, "{}", Limited),
    (500, "not JSON", faults.Unsure),
    (503, "", faults.Unsure),
    (418, "", WorkersError),
]


@pytest.mark.parametrize(("status", "body", "wanted"), SEEN)
def test_a_refusal_is_told_by_its_body_and_then_its_status(status: int, body: str, wanted: type[Exception]) -> None:
    found = faults.fault(status, body, "Fly app a, POST machines", "01X")
    assert type(found) is wanted
    assert "POST machines" in found.message
    assert "request 01X" in found.message
    assert "\n" not in found.message


def test_a_fault_s_text_is_one_clean_line() -> None:
    told = faults.fault(422, '{"error":"a\\u001b[31m\\nb"}', "x").message
    assert told == "x: a [31m b"


@pytest.mark.parametrize("status", [500, 429])
def test_what_only_looks_is_asked_again(host: FakeFly, status: int) -> None:
    host.faults.append(Fault("GET machines$", status, {"error": "later"}, times=2))
    assert Fly("my-workers").machines() == []
    assert host.calls == ["GET machines"] * 3


def test_what_changes_things_is_not_asked_again_by_itself(host: FakeFly) -> None:
    for silent in ("before", "after"):
        host.faults.append(Fault("POST volumes", silent=silent))
        with pytest.raises(faults.Unsure):
            Fly("my-workers").create_volume({"name": "x", "region": "ord", "size_gb": 1})
    assert host.calls == ["POST volumes"] * 2
    assert len(host.volumes) == 1


def test_without_a_token_or_with_a_wrong_one_it_is_said(host: FakeFly, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLY_API_TOKEN", "another")
    with pytest.raises(NoCredentials, match="invalid token"):
        Fly("my-workers").machines()
    monkeypatch.delenv("FLY_API_TOKEN")
    with pytest.raises(NoCredentials, match="no FLY_API_TOKEN"):
        Fly("my-workers").machines()
    assert host.calls == ["GET machines"]


def test_an_address_where_nobody_listens_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLY_FLAPS_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("FLY_API_TOKEN", "x")
    monkeypatch.setattr("claude_workers.fly.api._AGAIN", ())
    with pytest.raises(Unreachable, match="not reached"):
        Fly("my-workers").machines()


def test_three_at_once_then_one_a_second() -> None:
    pace = Pace()
    began = time.monotonic()
    for _ in range(4):
        pace.wait("create")
    assert time.monotonic() - began > 0.9
    began = time.monotonic()
    pace.wait("another")
    assert time.monotonic() - began < 0.5
