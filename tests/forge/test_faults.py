"""What GitHub's refusals mean: a limit, a passing fault, or an error of ours in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from claude_workers.access import Access
from claude_workers.errors import Limited, NoCredentials, NotFound, Refused, Unreachable, WorkersError
from claude_workers.forge.github import faults

TOKEN = "ghp_very_secret_0123456789"
SHOWN = Access("https://github.com", TOKEN, "$GH_TOKEN")
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
AT = 1_767_225_600  # the same moment
SECONDARY = '{"message": "You have exceeded a secondary rate limit. Please wait."}'


def answer(status: int, body: str | bytes = "", **headers: str) -> httpx.Response:
    """Return an answer; of a header's name the underscores are dashes."""
    asked = httpx.Request("GET", "https://api.github.com/repos/o/r?x=1", headers={"Authorization": f"Bearer {TOKEN}"})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=body, headers=named, request=asked)


def primary(reset: str, status: int = 403, **headers: str) -> httpx.Response:
    """Return the answer of a primary limit that is used up."""
    return answer(status, "{}", **{"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": reset, **headers})


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(("after", "wait"), [("0", 0), ("1", 1), ("30", 30), ("86400", 86400)])
def test_a_limit_that_names_its_time_is_waited_for_so_long(status: int, after: str, wait: float) -> None:
    assert faults.limit(answer(status, SECONDARY, Retry_After=after)) == wait


@pytest.mark.parametrize(
    ("reset", "wait"), [(AT + 30, 30), (AT + 3600, 3600), (AT + 1, 1), (AT, 1), (AT - 1, 1), (0, 1)]
)
def test_a_limit_s_reset_is_measured_by_github_s_clock_and_never_less_than_a_second(reset: int, wait: float) -> None:
    assert faults.limit(primary(str(reset), Date=DATE)) == wait
    assert faults.limit(primary(str(reset), status=429, Date=DATE)) == wait


@pytest.mark.parametrize("date", ["", "yesterday", "2026-01-01T00:00:00Z", "Thu, 99 Jan 2026 00:00:00 GMT"])
def test_without_github_s_clock_ours_is_used(date: str) -> None:
    reset = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    wait = faults.limit(primary(str(reset), Date=date))
    assert wait is not None
    assert 3500 < wait <= 3600
    assert faults.limit(primary("0", Date=date)) == 1


@pytest.mark.parametrize("reset", ["", "soon", "-5", "1.5", "1e9", "nan"])
def test_a_reset_that_is_no_number_means_a_minute(reset: str) -> None:
    assert faults.limit(primary(reset, Date=DATE)) == 60


def test_a_time_to_wait_comes_before_a_reset() -> None:
    assert faults.limit(primary(str(AT + 3600), Date=DATE, Retry_After="5")) == 5


@pytest.mark.parametrize(
    "response",
    [
        answer(403, SECONDARY),
        answer(403, SECONDARY.upper().replace("MESSAGE", "message")),
        answer(429, SECONDARY),
        answer(429),
        answer(429, "<html>Too many requests</html>"),
        answer(429, "{}", X_RateLimit_Remaining="4999"),
        answer(429, "{}", Retry_After="soon"),
        answer(429, "{}", Retry_After="-5"),
        answer(429, "{}", Retry_After="Thu, 01 Jan 2026 00:00:00 GMT"),
        answer(403, SECONDARY, X_RateLimit_Remaining="4999", X_RateLimit_Reset=str(AT + 3600)),
    ],
)
def test_a_limit_that_names_no_time_means_a_minute(response: httpx.Response) -> None:
    assert faults.limit(response) == 60


@pytest.mark.parametrize(
    "response",
    [
        answer(403, '{"message": "Resource not accessible by personal access token"}'),
        answer(403, '{"message": "Must have admin rights to Repository."}', X_RateLimit_Remaining="4999"),
        answer(403),
        answer(403, "<html>secondary rate limit</html>"),
        answer(403, '["secondary rate limit"]'),
        answer(403, '{"message": null}'),
        answer(403, "{}", X_RateLimit_Remaining="00", X_RateLimit_Reset=str(AT)),
        answer(200, SECONDARY, Retry_After="5", X_RateLimit_Remaining="0"),
        answer(401, SECONDARY, Retry_After="5"),
        answer(404, SECONDARY, Retry_After="5"),
        answer(503, SECONDARY, Retry_After="5"),
    ],
)
def test_any_other_refusal_is_no_limit(response: httpx.Response) -> None:
    assert faults.limit(response) is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (SECONDARY, "exceeded a secondary rate limit"),
        ('{"message": "API rate limit\\nexceeded\\u001b[2J"}', "API rate limit exceeded[2J"),
        ("", "status 429"),
        ("<html>", "status 429"),
        ('{"message": "%s"}' % ("x" * 9_999), "xxx"),
    ],
)
def test_a_limit_that_is_not_waited_for_says_when_to_come_again(body: str, told: str) -> None:
    earliest = datetime.now(UTC) + timedelta(seconds=3599)
    error = faults.limited(answer(429, body), 3600)
    assert isinstance(error, Limited)
    assert told in error.message
    assert error.until
    assert error.until in error.remedy
    until = datetime.fromisoformat(error.until)
    assert earliest <= until <= datetime.now(UTC) + timedelta(seconds=3601)
    assert str(error).isprintable()
    assert len(str(error)) < 250


@pytest.mark.parametrize(
    "response",
    [
        answer(500),
        answer(502, "<html>Bad gateway</html>"),
        answer(503, '{"message": "Service unavailable"}'),
        answer(504),
        answer(599),
        answer(200, "<html>We had issues producing the response</html>"),
        answer(200, '{"number": 4'),
        answer(200, '[{"number": 42}, {"numb'),
        answer(200, b'{"title": "\xff"}'),
        answer(200, " "),
        answer(201, '{"number": 42'),
    ],
)
def test_a_server_s_trouble_and_half_an_answer_pass(response: httpx.Response) -> None:
    assert faults.passing(response)


@pytest.mark.parametrize(
    "response",
    [
        answer(200, "{}"),
        answer(200, "[]"),
        answer(200, "null"),
        answer(200, '{"message": "Bad gateway"}'),
        answer(200),
        answer(201, '{"number": 42}'),
        answer(202),
        answer(204),
        answer(204, "<html>"),
        answer(301, "<html>Moved</html>"),
        answer(304),
        *(answer(status, "<html>") for status in (400, 401, 403, 404, 409, 410, 418, 422, 429, 451)),
    ],
)
def test_a_whole_answer_and_a_refusal_stay(response: httpx.Response) -> None:
    assert not faults.passing(response)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]", {}),
        ("null", {}),
        ('"text"', {}),
        ("", {}),
        ("<html>", {}),
        ('{"a"', {}),
        (b"\xff\xfe{", {}),
        ("[" * 100_000, {}),
        ('{"a":' * 100_000, {}),
    ],
)
def test_an_answer_s_object_is_read_and_anything_else_is_empty(body: str | bytes, found: dict[str, int]) -> None:
    assert faults.content(answer(200, body)) == found


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Unreachable),
        (301, WorkersError),
        (400, WorkersError),
        (401, NoCredentials),
        (403, Refused),
        (404, NotFound),
        (405, WorkersError),
        (409, WorkersError),
        (410, NotFound),
        (418, WorkersError),
        (422, faults.Invalid),
        (451, WorkersError),
        (500, Unreachable),
        (502, Unreachable),
        (503, Unreachable),
        (599, Unreachable),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>\n<b>no</b>\n</html>",
        "{}",
        "[]",
        '{"message": "No\\nway\\u001b[2J\\u202e"}',
        '{"message": "No way", "errors": "odd"}',
        '{"message": "No way", "errors": [null, 5, {}, "text", {"code": "invalid"}, {"message": "a\\nb"}]}',
        '{"message": {"odd": ["\\n"]}}',
        '{"message": "%s"}' % ("long " * 9_999),
    ],
)
def test_every_status_is_an_error_of_ours_in_one_line_without_the_token(
    status: int, kind: type[WorkersError], body: str
) -> None:
    error = faults.of(answer(status, body), SHOWN)
    assert type(error) is kind
    assert str(error).isprintable()
    assert len(str(error)) < 400
    assert TOKEN not in repr(error)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "https://github.com answers 400: No way"),
        (401, "https://github.com did not accept the token of $GH_TOKEN: No way"),
        (403, "https://github.com forbids it to the token of $GH_TOKEN: No way"),
        (404, "/repos/o/r is not there, or not for the token of $GH_TOKEN"),
        (410, "https://github.com: No way"),
        (422, "https://github.com refused: No way"),
        (503, "https://github.com answers 503: No way"),
    ],
)
def test_an_error_says_who_was_asked_in_whose_name_and_what_was_answered(status: int, told: str) -> None:
    assert faults.of(answer(status, '{"message": "No way"}'), SHOWN).message == told


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 500])
def test_an_error_has_a_remedy(status: int) -> None:
    assert faults.of(answer(status), SHOWN).remedy
    assert faults.of(answer(status), Access("https://github.com")).remedy


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_has_no_token_is_told_where_one_is_found(status: int) -> None:
    error = faults.of(answer(status), Access("https://github.com"))
    assert "nobody" in error.message
    assert "GH_TOKEN" in error.remedy


def test_a_missing_right_is_named() -> None:
    error = faults.of(answer(403, '{"message": "No way"}', X_Accepted_GitHub_Permissions="contents=write"), SHOWN)
    assert error.message.endswith("No way (needed: contents=write)")


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ("[]", "Validation Failed"),
        ('[{"message": "A pull request already exists for o:w."}]', "A pull request already exists for o:w."),
        ('[{"resource": "Issue", "field": "title", "code": "missing_field"}]', "missing_field"),
        ('["No commits between main and w"]', "No commits between main and w"),
        ('[{"message": "first"}, {"message": ""}, {"code": "second"}]', "first: second"),
    ],
)
def test_what_is_invalid_is_told_in_detail_and_kept_whole(errors: str, told: str) -> None:
    body = f'{{"message": "Validation Failed", "errors": {errors}}}'
    error = faults.of(answer(422, body), SHOWN)
    assert isinstance(error, faults.Invalid)
    assert error.message.endswith(told)
    assert "Validation Failed" in error.message
    assert error.said == body
    assert (error.code, error.exit_code) == ("forge", 1)
