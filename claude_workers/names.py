"""The grammar of names: worker ids, addresses, repositories and issues as people type them."""

from __future__ import annotations

import re

from claude_workers.errors import BadInput

_SHOWN = 40
_DIGITS = 9
ANY = "any"
RESERVED = frozenset({ANY, "local", "all"})
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")
_OWNER_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_URL = re.compile(r"(?:https?://[^/\s]+/|ssh://git@[^/\s]+/|git@[^/:\s]+:)([^/\s]+/[^/\s]+?)(?:\.git)?/?")
_ISSUE_URL = re.compile(r"https?://[^/\s]+/([^/\s]+/[^/\s]+)/issues/(\d+)(?:[#?]\S*)?")
_CHANGE_URL = re.compile(r"https?://[^/\s]+/([^/\s]+/[^/\s]+)/pull/(\d+)(?:[/#?]\S*)?")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_URL_HOST = re.compile(r"(?:(?:https?|ssh)://(?:[^/@\s]*@)?(\[[0-9A-Fa-f:.]+\]|[^/:@\s]+)|git@([^/:@\s]+):)")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


def shown(text: str) -> str:
    """Quote what a user typed so that it fits one line of an error."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def worker_id(text: str) -> str:
    """Return `text` when it is a worker id (or a host's name), else raise BadInput."""
    if not _ID.fullmatch(text):
        raise BadInput(
            f"{shown(text)} is not a worker id",
            "use 1 to 16 of a-z, 0-9 and -, starting with a letter or digit, such as 01",
        )
    if text in RESERVED:
        raise BadInput(f"{shown(text)} is a reserved name", "choose another id, such as 01")
    return text


def address(text: str) -> tuple[str | None, str]:
    """Split `[HOST/]ID` into the host (None: not named) and the worker id."""
    host, slash, worker = text.rpartition("/")
    if not slash:
        return None, worker_id(text)
    return (host if host == "local" else worker_id(host)), worker_id(worker)


def anywhere(text: str) -> tuple[bool, str | None]:
    """Tell whether an address is `[HOST/]any`, any worker, and of which host (None: not named)."""
    host, slash, worker = text.rpartition("/")
    return worker == ANY, host if slash else None


def is_path(text: str) -> bool:
    """Tell whether a REPO argument names a path rather than owner/repo."""
    return text in {".", ".."} or text.startswith(("/", "./", "../", "~"))


def owner_repo(text: str) -> str:
    """Return `owner/repo` from that form or from a URL of the repository."""
    found = _URL.fullmatch(text)
    name = found[1] if found else text
    if not _OWNER_REPO.fullmatch(name) or name.endswith(("/.", "/..", "/.git")):
        raise BadInput(
            f"{shown(text)} is not a repository",
            "write owner/repo, its URL, or a path that starts with ./ ../ / or ~",
        )
    return name


def issue_number(text: str) -> int:
    """Return the number in `42`, `#42` or the issue's URL."""
    found = _ISSUE_URL.fullmatch(text)
    digits = found[2] if found else text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS or int(digits) < 1:
        raise BadInput(
            f"{shown(text)} is not an issue",
            "write its number, such as 42 or #42, or its URL; a prompt without an issue goes behind -p",
        )
    return int(digits)


def change_number(text: str) -> int:
    """Return the number in `7`, `#7` or a pull request's URL."""
    found = _CHANGE_URL.fullmatch(text)
    digits = found[2] if found else text.removeprefix("#")
    if not _NUMBER.fullmatch(digits):
        raise BadInput(f"{shown(text)} is not a pull request", "write its number, such as 7, or its URL")
    return int(digits)


def repository_in(text: str) -> str | None:
    """Return `owner/repo` of an issue's or a pull request's URL; None for a mere number."""
    found = _ISSUE_URL.fullmatch(text) or _CHANGE_URL.fullmatch(text)
    return owner_repo(found[1]) if found else None


def host_of(text: str) -> str | None:
    """Return the host, without user and port, that a repository's or issue's URL names; None for owner/repo."""
    found = _URL_HOST.match(text)
    return (found[1] or found[2]).lower() if found else None


def branch_name(text: str) -> str:
    """Return `text` when git would take it as a branch and a shell would not notice it."""
    bad = ("..", "//", "@{", "/.", ".lock/")
    ended = text == "HEAD" or text.endswith(("/", ".", ".lock"))
    if not _BRANCH.fullmatch(text) or ended or any(one in text for one in bad):
        raise BadInput(f"{shown(text)} is not a branch name", "name an existing branch, such as main")
    return text


def task_branch(worker: str, issue: int | None, task_id: str) -> str:
    """Return the branch a task works in: `wNN/issue-N`, or `wNN/task-<8 of its id>`."""
    return f"w{worker}/issue-{issue}" if issue else f"w{worker}/task-{task_id[:8]}"


def plain_word(text: str) -> str:
    """Return `text` with everything but letters, digits, dot and dash made a dash."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip(".-") or "x"
