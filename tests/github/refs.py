"""Refs, commits and branches, read from the bare repository, and what protects them."""

from __future__ import annotations

from urllib.parse import quote

from tests.github import bare, pages, pulls, shapes
from tests.github.answers import Answer, Refused, not_found
from tests.github.records import Protection
from tests.github.routes import Request, serve
from tests.github.shapes import Shape, node

_FORMAT = "%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%T%x00%P%x00%B"


def _ref(request: Request, name: str, pointed: tuple[str, str]) -> Shape:
    kind, sha = pointed
    git = f"{shapes.api(request.state, request.repository)}/git"
    target = {"type": kind, "sha": sha, "url": f"{git}/{kind}s/{sha}"}
    return {"ref": name, "node_id": node("REF", int(sha[:12], 16)), "url": f"{git}/{name}", "object": target}


@serve("GET /git/matching-refs/{ref}", "contents:read")
def matching_refs(request: Request) -> Answer:
    """List the refs whose names begin so; none is an empty list."""
    found = bare.refs(request.repository.bare, f"refs/{request.params['ref']}")
    return Answer(200, [_ref(request, name, pointed) for name, pointed in found.items()])


@serve("GET /git/ref/{ref}", "contents:read")
def get_ref(request: Request) -> Answer:
    """Tell one ref by its whole name."""
    name = f"refs/{request.params['ref']}"
    found = bare.refs(request.repository.bare, name)
    if name not in found:
        raise not_found()
    return Answer(200, _ref(request, name, found[name]))


@serve("DELETE /git/refs/{ref}", "contents:write", role="write")
def delete_ref(request: Request) -> Answer:
    """Remove a ref."""
    name, repository = f"refs/{request.params['ref']}", request.repository
    if name not in bare.refs(repository.bare, name):
        raise Refused(422, "Reference does not exist")
    branch = name.removeprefix("refs/heads/")
    if branch in repository.protected or branch == repository.default_branch:
        raise Refused(422, "Cannot delete this protected branch")
    bare.git(repository.bare, "update-ref", "-d", name)
    pulls.refresh(request.state, repository, request.login)
    return Answer(204)


def _commit(request: Request, sha: str) -> tuple[Shape, Shape]:
    """Return a commit as git has it, and the keys that GitHub wraps around it."""
    fields = bare.git(request.repository.bare, "show", "--no-patch", f"--format={_FORMAT}", sha).split("\0")
    api, web = shapes.api(request.state, request.repository), shapes.web(request.state, request.repository)
    author, committer = ({"name": fields[at], "email": fields[at + 1], "date": fields[at + 2]} for at in (0, 3))
    inside = {
        "author": author, "committer": committer, "message": fields[8].strip(),
        "tree": {"sha": fields[6], "url": f"{api}/git/trees/{fields[6]}"},
        "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None,
                         "verified_at": None},
    }  # fmt: skip
    parents = [
        {"sha": one, "url": f"{api}/git/commits/{one}", "html_url": f"{web}/commit/{one}"} for one in fields[7].split()
    ]
    return inside, {"sha": sha, "node_id": node("C", int(sha[:12], 16)), "html_url": f"{web}/commit/{sha}",
                    "parents": parents}  # fmt: skip


@serve("GET /git/commits/{commit_sha}", "contents:read")
def get_commit(request: Request) -> Answer:
    """Tell one commit."""
    sha = request.params["commit_sha"]
    if bare.resolve(request.repository.bare, sha) != sha:
        raise not_found()
    inside, around = _commit(request, sha)
    url = f"{shapes.api(request.state, request.repository)}/git/commits/{sha}"
    return Answer(200, {**inside, **around, "url": url})


@serve("GET /branches/{branch}", "contents:read")
def get_branch(request: Request) -> Answer:
    """Tell one branch."""
    name = request.params["branch"]
    sha = bare.resolve(request.repository.bare, f"refs/heads/{name}")
    if sha is None:
        raise not_found("Branch not found")
    inside, around = _commit(request, sha)
    api, url = shapes.api(request.state, request.repository), _branch_url(request)
    protection = request.repository.protected.get(name)
    commit = {
        **around, "url": f"{api}/commits/{sha}", "comments_url": f"{api}/commits/{sha}/comments", "author": None,
        "committer": None, "commit": {**inside, "url": f"{api}/git/commits/{sha}", "comment_count": 0},
    }  # fmt: skip
    body = {
        "name": name, "commit": commit, "protected": protection is not None, "protection_url": f"{url}/protection",
        "_links": {"self": url, "html": f"{shapes.web(request.state, request.repository)}/tree/{name}"},
        # The checks of a ruleset are not told here, only those of a classic protection.
        "protection": _summary(protection if protection and protection.ruleset is None else None),
    }  # fmt: skip
    return Answer(200, body)


def _branch_url(request: Request) -> str:
    return f"{shapes.api(request.state, request.repository)}/branches/{quote(request.params['branch'], safe='')}"


def _summary(protection: Protection | None) -> Shape:
    names = list(protection.checks) if protection else []
    checks = [{"context": name, "app_id": None} for name in names]
    level = "non_admins" if protection else "off"
    return {
        "enabled": protection is not None,
        "required_status_checks": {"enforcement_level": level, "contexts": names, "checks": checks},
    }


@serve("GET /branches/{branch}/protection", "administration:read")
def get_protection(request: Request) -> Answer:
    """Tell a classic protection, to those who administer."""
    if not request.may("admin"):
        raise not_found()
    found = request.repository.protected.get(request.params["branch"])
    if found is None or found.ruleset is not None:
        raise not_found("Branch not protected")
    url = f"{_branch_url(request)}/protection"
    reviews = {
        "url": f"{url}/required_pull_request_reviews", "dismiss_stale_reviews": False,
        "require_code_owner_reviews": False, "required_approving_review_count": found.reviews,
    }  # fmt: skip
    summary = _summary(found)["required_status_checks"]
    checks = {**summary, "url": f"{url}/required_status_checks", "strict": False}
    return Answer(200, {"url": url, "required_status_checks": checks, "required_pull_request_reviews": reviews,
                        "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": True}})  # fmt: skip


@serve("GET /rules/branches/{branch}", "metadata:read")
def list_rules(request: Request) -> Answer:
    """List the rules that rulesets put on a branch; classic protections are not among them."""
    found = request.repository.protected.get(request.params["branch"])
    if found is None or found.ruleset is None:
        return Answer(200, [])
    source = {
        "ruleset_source_type": "Repository", "ruleset_source": request.repository.full_name, "ruleset_id": found.ruleset
    }  # fmt: skip
    asked = {
        "required_approving_review_count": found.reviews, "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": False, "require_last_push_approval": False,
        "required_review_thread_resolution": False,
    }  # fmt: skip
    checks = {"strict_required_status_checks_policy": False,
              "required_status_checks": [{"context": name} for name in found.checks]}  # fmt: skip
    rules: list[Shape] = [{"type": "pull_request", "parameters": asked, **source}]
    if found.checks:
        rules.append({"type": "required_status_checks", "parameters": checks, **source})
    return pages.page(request, rules, lambda one: one)


@serve("GET /rulesets", "metadata:read")
def list_rulesets(request: Request) -> Answer:
    """List a repository's rulesets."""
    found = [(name, one) for name, one in request.repository.protected.items() if one.ruleset is not None]
    return pages.page(
        request, found,
        lambda pair: {
            "id": pair[1].ruleset, "name": f"Protect {pair[0]}", "target": "branch", "source_type": "Repository",
            "source": request.repository.full_name, "enforcement": "active",
            "node_id": node("RRS", pair[1].ruleset or 0),
        },
    )  # fmt: skip
