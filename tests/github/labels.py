"""Labels: those of a repository, and those on an issue."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from tests.github import issue_shapes, pages
from tests.github.answers import Answer, Refused, invalid, not_found, too_long
from tests.github.issue_shapes import touch
from tests.github.records import Issue, Label, Repository
from tests.github.routes import Request, serve
from tests.github.shapes import Shape
from tests.github.state import State

_WRITE = ("issues:write", "pull_requests:write")
_READ = ("issues:read", "pull_requests:read")
_LONGEST, _LONGEST_DESCRIPTION = 50, 100


def find(repository: Repository, name: str) -> Label | None:
    """Return a label by its name, in any case of letters."""
    return next((one for one in repository.labels if one.name.lower() == name.lower()), None)


def make(state: State, repository: Repository, name: str, color: str | None = None) -> Label:
    """Make a label, grey where no colour is given."""
    if not name.strip():
        raise invalid("Label", "name", "missing_field")
    if len(name) > _LONGEST:
        raise invalid("Label", "name", message=f"name is too long (maximum is {_LONGEST} characters)")
    made = Label(state.id(), name, color or "ededed")
    repository.labels.append(made)
    return made


def put_on(state: State, repository: Repository, issue: Issue, names: Iterable[str], actor: str) -> None:
    """Put labels on an issue, made where they are new; those that are on it stay as they are."""
    for name in names:
        label = find(repository, name) or make(state, repository, name)
        if label not in issue.labels:
            issue.labels.append(label)
            touch(state, issue, "labeled", actor, label={"name": label.name, "color": label.color})


def take_off(state: State, issue: Issue, labels: Iterable[Label], actor: str) -> None:
    """Take labels off an issue."""
    for label in list(labels):
        issue.labels.remove(label)
        touch(state, issue, "unlabeled", actor, label={"name": label.name, "color": label.color})


def replace(state: State, repository: Repository, issue: Issue, names: Iterable[str], actor: str) -> None:
    """Let an issue have these labels and no others."""
    wanted = {name.lower() for name in names}
    take_off(state, issue, [one for one in issue.labels if one.name.lower() not in wanted], actor)
    put_on(state, repository, issue, names, actor)


def names_of(request: Request, given: Iterable[object]) -> list[str]:
    """Return the names in a body's labels; only who may write makes those that are new."""
    names = [str(one["name"] if isinstance(one, dict) else one) for one in given]
    new = any(find(request.repository, name) is None for name in names)
    if new and not request.may("write"):
        raise Refused(
            403, "You do not have permission to create labels on this repository.",
            errors=[{"resource": "Repository", "field": "label", "code": "unauthorized"}],
        )  # fmt: skip
    return names


def _shape(request: Request, label: Label) -> Shape:
    return issue_shapes.label(request.state, request.repository, label)


def _wanted(request: Request) -> Label:
    found = find(request.repository, request.params["name"])
    if found is None:
        raise not_found()
    return found


def _describe(label: Label, body: dict[str, str]) -> None:
    color, description = body.get("color", label.color), body.get("description", label.description)
    if not re.fullmatch("[0-9a-fA-F]{6}", color):
        raise invalid("Label", "color")
    too_long("Label", "description", description, _LONGEST_DESCRIPTION)
    label.color, label.description = color.lower(), description


def _free(repository: Repository, name: str, but: Label | None = None) -> None:
    if find(repository, name) not in (None, but):
        raise invalid("Label", "name", "already_exists")


@serve("GET /labels", *_READ)
def list_labels(request: Request) -> Answer:
    """List a repository's labels."""
    return pages.page(request, request.repository.labels, lambda one: _shape(request, one))


@serve("POST /labels", *_WRITE, role="write")
def create_label(request: Request) -> Answer:
    """Make a label."""
    _free(request.repository, request.body["name"])
    _describe(Label(0, ""), request.body)
    label = make(request.state, request.repository, request.body["name"])
    _describe(label, request.body)
    return Answer(201, _shape(request, label), {"Location": f"{request.base}{request.path}/{quote(label.name)}"})


@serve("GET /labels/{name}", *_READ)
def get_label(request: Request) -> Answer:
    """Tell one label."""
    return Answer(200, _shape(request, _wanted(request)))


@serve("PATCH /labels/{name}", *_WRITE, role="write")
def update_label(request: Request) -> Answer:
    """Rename, recolour or describe a label, wherever it is."""
    label, name = _wanted(request), request.body.get("new_name")
    if name is not None:
        _free(request.repository, name, but=label)
        if len(name) > _LONGEST:
            raise invalid("Label", "name")
    _describe(label, request.body)
    label.name = name or label.name
    return Answer(200, _shape(request, label))


@serve("DELETE /labels/{name}", *_WRITE, role="write")
def delete_label(request: Request) -> Answer:
    """Remove a label from the repository and from every issue."""
    label = _wanted(request)
    request.repository.labels.remove(label)
    for issue in request.repository.issues.values():
        if issue and label in issue.labels:
            take_off(request.state, issue, [label], request.login)
    return Answer(204)


@serve("GET /issues/{issue_number}/labels", *_READ)
def labels_of_issue(request: Request) -> Answer:
    """List the labels on an issue."""
    return pages.page(request, request.issue().labels, lambda one: _shape(request, one))


@serve("POST /issues/{issue_number}/labels", *_WRITE, role="triage")
def add_labels(request: Request) -> Answer:
    """Put labels on an issue."""
    issue = request.issue()
    names = names_of(request, request.body["labels"])
    put_on(request.state, request.repository, issue, names, request.login)
    return Answer(200, [_shape(request, one) for one in issue.labels])


@serve("PUT /issues/{issue_number}/labels", *_WRITE, role="triage")
def set_labels(request: Request) -> Answer:
    """Let an issue have these labels and no others."""
    issue = request.issue()
    names = names_of(request, request.body.get("labels", []))
    replace(request.state, request.repository, issue, names, request.login)
    return Answer(200, [_shape(request, one) for one in issue.labels])


@serve("DELETE /issues/{issue_number}/labels/{name}", *_WRITE, role="triage")
def remove_label(request: Request) -> Answer:
    """Take a label off an issue."""
    issue, label = request.issue(), find(request.repository, request.params["name"])
    if label is None or label not in issue.labels:
        raise not_found("Label does not exist")
    take_off(request.state, issue, [label], request.login)
    return Answer(200, [_shape(request, one) for one in issue.labels])
