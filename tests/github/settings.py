"""A repository as a whole, and who may do what in it."""

from __future__ import annotations

from tests.github import shapes
from tests.github.answers import Answer, Refused, not_found
from tests.github.routes import Request, serve

# The older of the two words knows no roles in between.
_OLDER = {"maintain": "write", "triage": "read"}


@serve("GET ", "metadata:read")
def get_repository(request: Request) -> Answer:
    """Tell a repository."""
    shape = shapes.repository(request.state, request.repository, request.asker)
    return Answer(200, {**shape, "network_count": 0, "subscribers_count": 0})


@serve("GET /collaborators/{username}/permission", "metadata:read")
def get_permission(request: Request) -> Answer:
    """Tell what a user may do, to those who may write."""
    _ = request.login
    if not request.may("write"):
        raise Refused(403, "Must have push access to view collaborator permission.")
    login = request.params["username"]
    shape = shapes.user(request.state, login)
    if shape is None:
        raise not_found()
    role = request.state.role(login, request.repository) or "none"
    rights = shapes.permissions(request.state, request.repository, login)
    user = {**shape, "role_name": role, "permissions": rights}
    return Answer(200, {"permission": _OLDER.get(role, role), "role_name": role, "user": user})
