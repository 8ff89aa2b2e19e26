"""Checks: check runs and their logs, and the older commit statuses."""

from __future__ import annotations

from collections.abc import Sequence

from tests.github import bare, pages, shapes
from tests.github.answers import Answer, Refused, not_found
from tests.github.pull_records import Annotation, CheckRun, Status
from tests.github.routes import Request, serve
from tests.github.shapes import Shape, node
from tests.github.state import State

_RANK = {"error": "failure", "failure": "failure", "pending": "pending", "success": "success"}


def _sha(request: Request) -> str:
    """Return the commit that the path names by its name or a branch's or tag's."""
    name = request.params["ref"]
    for prefix in ("", "refs/heads/", "refs/tags/", "refs/"):
        if found := bare.resolve(request.repository.bare, prefix + name):
            return found
    raise Refused(422, f"No commit found for SHA: {name}")


def _app(state: State, slug: str) -> Shape:
    owner = shapes.user(state, "github") or shapes.user(state, next(iter(state.users)))
    return {
        "id": 15368, "slug": slug, "node_id": node("A", 15368), "client_id": "Iv1.0", "owner": owner, "name": slug,
        "description": None, "external_url": state.url, "html_url": f"{state.url}/apps/{slug}",
        "created_at": "2018-07-30T09:30:17Z", "updated_at": "2024-04-10T20:33:16Z",
        "permissions": {"checks": "write", "contents": "read", "metadata": "read"}, "events": ["push"],
    }  # fmt: skip


def _run(request: Request, one: CheckRun) -> Shape:
    state, repository = request.state, request.repository
    url = f"{shapes.api(state, repository)}/check-runs/{one.id}"
    html = f"{shapes.web(state, repository)}/actions/runs/{one.id + 1}/job/{one.id}"
    output = {
        "title": one.title, "summary": one.summary, "text": one.text, "annotations_count": len(one.annotations),
        "annotations_url": f"{url}/annotations",
    }  # fmt: skip
    return {
        "id": one.id, "node_id": node("CR", one.id), "head_sha": one.sha, "external_id": "", "url": url,
        "html_url": html, "details_url": html, "status": one.status, "conclusion": one.conclusion,
        "started_at": one.started_at, "completed_at": one.completed_at, "output": output, "name": one.name,
        "check_suite": {"id": one.id + 2}, "app": _app(state, one.app), "pull_requests": [],
    }  # fmt: skip


def _status(request: Request, one: Status) -> Shape:
    return {
        "id": one.id, "node_id": node("SC", one.id), "state": one.state, "context": one.context,
        "description": one.description, "target_url": one.target_url, "created_at": one.created_at,
        "updated_at": one.created_at, "avatar_url": f"{request.state.url}/avatars/{one.id}",
        "url": f"{shapes.api(request.state, request.repository)}/statuses/{one.sha}",
    }  # fmt: skip


def _latest(runs: Sequence[CheckRun]) -> list[CheckRun]:
    """Return the newest run of each name, the newest first."""
    return sorted({one.name: one for one in runs}.values(), key=lambda one: -one.id)


@serve("GET /commits/{ref}/check-runs", "checks:read")
def list_check_runs(request: Request) -> Answer:
    """List the check runs of a commit, of each name the latest."""
    sha, query = _sha(request), request.query
    found = [
        one
        for one in request.repository.runs
        if one.sha == sha and query.get("check_name", one.name) == one.name
        and query.get("status", one.status) == one.status
    ]  # fmt: skip
    found = _latest(found) if query.get("filter", "latest") == "latest" else found[::-1]
    chosen, headers = pages.slice_of(request, found)
    return Answer(200, {"total_count": len(found), "check_runs": [_run(request, one) for one in chosen]}, headers)


@serve("POST /check-runs", "checks:write")
def create_check_run(request: Request) -> Answer:
    """Make a check run, which only an app may."""
    if request.token is None or request.token.kind != "app":
        raise Refused(403, "You must authenticate via a GitHub App.")
    body, now = request.body, request.state.now()
    if bare.resolve(request.repository.bare, body["head_sha"]) is None:
        raise Refused(422, f"No commit found for SHA: {body['head_sha']}")
    output = body.get("output", {})
    conclusion = body.get("conclusion")
    made = CheckRun(
        request.state.id(), body["head_sha"], body["name"], "completed" if conclusion else body.get("status", "queued"),
        conclusion, output.get("title"), output.get("summary"), body.get("started_at", now),
        body.get("completed_at", now) if conclusion else None, output.get("text"),
        annotations=[Annotation(one["path"], one["start_line"], one["message"], one["annotation_level"])
                     for one in output.get("annotations", [])],
    )  # fmt: skip
    request.repository.runs.append(made)
    return Answer(201, _run(request, made))


@serve("GET /check-runs/{check_run_id}/annotations", "checks:read")
def list_annotations(request: Request) -> Answer:
    """List a check run's remarks."""
    run = _of(request, int(request.params["check_run_id"]))
    html = f"{shapes.web(request.state, request.repository)}/blob/{run.sha}"
    return pages.page(
        request, run.annotations,
        lambda one: {
            "path": one.path, "start_line": one.line, "end_line": one.line, "start_column": None, "end_column": None,
            "annotation_level": one.level, "title": None, "message": one.message, "raw_details": None,
            "blob_href": f"{html}/{one.path}",
        },
    )  # fmt: skip


def _of(request: Request, number: int) -> CheckRun:
    for one in request.repository.runs:
        if one.id == number:
            return one
    raise not_found()


@serve("GET /actions/jobs/{job_id}/logs", "actions:read")
def get_log(request: Request) -> Answer:
    """Lead to a job's log, which lies on another host and wants no token."""
    run = _of(request, int(request.params["job_id"]))
    if request.asker is None:
        raise Refused(403, "Must have admin rights to Repository.")
    if run.log is None:
        raise not_found()
    port = request.state.url.rpartition(":")[2]
    return Answer(302, None, {"Location": f"http://localhost:{port}/_logs/{run.id}?sig=signed"})


@serve("GET /commits/{ref}/status", "statuses:read")
def get_status(request: Request) -> Answer:
    """Tell a commit's statuses, of each context the latest, and what they come to."""
    sha = _sha(request)
    latest = {one.context: one for one in request.repository.statuses if one.sha == sha}
    states = {_RANK[one.state] for one in latest.values()}
    come_to = next((one for one in ("failure", "pending", "success") if one in states), "pending")
    chosen, headers = pages.slice_of(request, list(latest.values()))
    url = f"{shapes.api(request.state, request.repository)}/commits/{sha}"
    body = {
        "state": come_to, "sha": sha, "total_count": len(latest), "statuses": [_status(request, one) for one in chosen],
        "repository": shapes.short_repository(request.state, request.repository), "commit_url": url,
        "url": f"{url}/status",
    }  # fmt: skip
    return Answer(200, body, headers)


@serve("POST /statuses/{sha}", "statuses:write", role="write")
def create_status(request: Request) -> Answer:
    """Set a commit's status."""
    body, sha = request.body, request.params["sha"]
    if bare.resolve(request.repository.bare, sha) is None:
        raise Refused(422, f"No commit found for SHA: {sha}")
    made = Status(
        request.state.id(), sha, body["state"], body.get("context", "default"), body.get("description"),
        body.get("target_url"), request.login, request.state.now(),
    )  # fmt: skip
    request.repository.statuses.append(made)
    return Answer(201, {**_status(request, made), "creator": shapes.user(request.state, made.creator)})
