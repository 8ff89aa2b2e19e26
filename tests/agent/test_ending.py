"""How a turn ended, told from what Claude Code was measured to do (facts/claude-code.md, section 3)."""

from __future__ import annotations

from typing import Any

import pytest

from claude_workers.agent.ending import RETRYABLE, WAITING, Ending, Evidence, classify

CONNECT = "Unable to connect to API (ConnectionRefused)"
LIMIT = "You've hit your session limit · resets 2:39am (UTC)"


def a_result(**fields: Any) -> dict[str, Any]:
    """Return a result line as it comes after success."""
    usual = {"type": "result", "subtype": "success", "is_error": False, "api_error_status": None, "result": "Done."}
    return {**usual, "stop_reason": "end_turn", "terminal_reason": "completed", "permission_denials": [], **fields}


def an_error(status: object, said: str = "API Error", **fields: Any) -> dict[str, Any]:
    return a_result(is_error=True, api_error_status=status, result=said, terminal_reason="api_error", **fields)


def a_retry(status: object) -> dict[str, Any]:
    return {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10, "error_status": status}


def a_limit(**info: Any) -> dict[str, Any]:
    return {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 86_400, **info}}


def ending(*events: dict[str, Any], status: int = 0, stderr: str = "") -> Ending:
    evidence = Evidence()
    for event in events:
        evidence.see(event)
    return classify(evidence, status, stderr)


@pytest.mark.parametrize(
    ("kind", "status", "result"),
    [
        ("done", 0, a_result()),
        ("done", 0, a_result(permission_denials=[{"tool_name": "Bash", "tool_use_id": "x", "tool_input": {}}])),
        ("authentication", 1, an_error(401)),
        ("authentication", 1, an_error(403)),
        ("failed", 1, an_error(400, "prompt is too long")),
        ("failed", 1, an_error(404, "model: nothing")),
        ("limit", 1, an_error(429)),
        ("limit", 1, an_error(429, LIMIT)),
        ("overloaded", 1, an_error(529)),
        ("overloaded", 1, an_error(500)),
        ("overloaded", 1, an_error(503)),
        ("unreachable", 1, an_error(None, CONNECT)),
        ("failed", 1, a_result(subtype="error_during_execution", is_error=True, result=None, errors=["aborted"])),
        ("failed", 0, a_result(subtype="error_during_execution", is_error=False, result=None)),
        ("turns", 1, a_result(subtype="error_max_turns", is_error=True, result=None)),
        ("budget", 1, a_result(subtype="error_max_budget_usd", is_error=True, result=None)),
        ("authentication", 1, an_error(None, "Not logged in · Please run /login")),
        ("refusal", 1, an_error(None, "The model refused", stop_reason="refusal")),
        ("refusal", 0, a_result(stop_reason="refusal")),
        (
            "failed",
            1,
            a_result(subtype="error_during_execution", is_error=True, result=None, errors=["No conversation found"]),
        ),
    ],
)
def test_a_result_line_tells_how_the_turn_ended(kind: str, status: int, result: dict[str, Any]) -> None:
    assert ending(result, status=status).kind == kind


@pytest.mark.parametrize("status", [0, 1])
def test_an_error_is_an_error_whatever_the_subtype_and_the_exit_say(status: int) -> None:
    assert ending(an_error(400), status=status).kind == "failed"


@pytest.mark.parametrize(
    ("kind", "status", "stderr"),
    [
        ("killed", -9, ""),
        ("killed", -15, ""),
        ("killed", 143, ""),
        ("killed", 129, ""),
        ("killed", 137, "Killed"),
        ("start", 1, "Error: Settings file not found: /x"),
        ("start", 1, "--dangerously-skip-permissions cannot be used with root"),
        ("start", 0, ""),
        ("start", 127, "claude: No such file or directory"),
    ],
)
def test_without_a_result_the_exit_and_the_last_words_tell(kind: str, status: int, stderr: str) -> None:
    assert ending(status=status, stderr=stderr).kind == kind


@pytest.mark.parametrize(("status", "number"), [(-9, 9), (-15, 15), (143, 15), (137, 9), (129, 1)])
def test_a_killed_agent_s_signal_is_told(status: int, number: int) -> None:
    assert ending(status=status).reason == f"the agent was killed by signal {number}"


def test_an_agent_that_had_spoken_and_ended_without_a_result_is_an_error() -> None:
    found = ending({"type": "system", "subtype": "init"}, status=1, stderr="first\nlast words\n\n")
    assert found == Ending("error", "the agent ended: last words")


def test_an_agent_that_ended_without_a_word_has_its_exit_told() -> None:
    assert "exit 3" in ending(status=3).reason


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("code", [-9, 143, 1])
def test_a_credential_refused_again_and_again_needs_no_result(status: int, code: int) -> None:
    assert ending(a_retry(status), status=code).kind == "authentication"


@pytest.mark.parametrize("status", [500, 529, None, "401", True])
def test_another_retry_without_a_result_is_only_an_agent_that_ended(status: object) -> None:
    assert ending(a_retry(401), a_retry(status), status=-9).kind == "killed"


def test_a_retry_that_was_followed_by_success_is_forgotten() -> None:
    assert ending(a_retry(401), a_result()).kind == "done"


def test_the_last_of_several_results_counts() -> None:
    assert ending(a_result(), an_error(529), status=1).kind == "overloaded"
    assert ending(an_error(529), a_result()).kind == "done"


def test_a_limit_says_until_when() -> None:
    found = ending(a_limit(), an_error(429, LIMIT), status=1)
    assert found.until == "1970-01-02T00:00:00.000Z"
    assert LIMIT in found.reason


@pytest.mark.parametrize(
    "event",
    [
        a_limit(status="allowed"),
        a_limit(status="allowed_warning"),
        a_limit(resetsAt=None),
        a_limit(resetsAt="soon"),
        {"type": "rate_limit_event"},
        {"type": "rate_limit_event", "rate_limit_info": "rejected"},
    ],
)
def test_a_limit_that_says_nothing_of_its_end_has_none(event: dict[str, Any]) -> None:
    assert ending(event, an_error(429), status=1).until is None


@pytest.mark.parametrize(
    "resets", [1e20, -1e20, pytest.param(10**400, id="10**400"), float("nan"), float("inf"), 10**15]
)
def test_a_limit_whose_end_is_no_time_is_a_limit_all_the_same(resets: float) -> None:
    found = ending(a_limit(resetsAt=resets), an_error(429), status=1)
    assert (found.kind, found.until) == ("limit", None)


@pytest.mark.parametrize(
    "fields",
    [
        {"subtype": ["success"]},
        {"subtype": {}},
        {"subtype": None},
        {"api_error_status": [401]},
        {"api_error_status": {}},
        {"errors": 5, "result": None},
        {"errors": {"a": 1}, "result": None},
        {"result": {"a": [1]}},
        {"result": "x" * 100_000},
        {"stop_reason": []},
    ],
)
def test_a_hostile_result_line_is_a_failure_in_one_short_line(fields: dict[str, Any]) -> None:
    found = ending({**an_error(None), **fields}, status=1)
    assert found.kind == "failed"
    assert found.reason
    assert "\n" not in found.reason
    assert len(found.reason) < 300


@pytest.mark.parametrize(
    "event", [{}, {"type": None}, {"type": ["result"]}, {"type": "result", "is_error": 1}, {"type": "x"}]
)
def test_any_event_can_be_seen(event: dict[str, Any]) -> None:
    evidence = Evidence()
    evidence.see(event)
    assert evidence.events == 1


def test_our_own_watch_has_the_last_word() -> None:
    watch = Ending("silence", "no sign of work for 15m")
    assert classify(Evidence(result=a_result(), events=9, watch=watch), 0, "") is watch


@pytest.mark.parametrize("result", [an_error(None, "a\n\tb\x1b[2J  c"), an_error(500, "x\ny")])
def test_what_the_agent_said_is_told_in_one_line(result: dict[str, Any]) -> None:
    assert ending(result, status=1).reason.isprintable()


def test_a_kind_is_tried_again_or_waited_for_and_never_both() -> None:
    assert not RETRYABLE & set(WAITING)
    assert set(WAITING.values()) <= {"limit", "backoff", "credentials"}
