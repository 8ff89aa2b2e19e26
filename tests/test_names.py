"""The grammar of names: what people may type, and what is refused before it can do harm."""

from __future__ import annotations

import subprocess

import pytest

from claude_workers import names
from claude_workers.errors import BadInput

LONG = "x" * 300


@pytest.mark.parametrize("text", ["01", "7", "a", "a-b", "build-box", "0-", "x" * 16])
def test_a_worker_id_is_returned_as_it_was_typed(text: str) -> None:
    assert names.worker_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "../evil",
        "..",
        ".",
        "-x",
        "A",
        "01 ",
        "01\n",
        "\n01",
        "é",
        "٣",
        "a_b",
        "a.b",
        "01/02",
        "a\0",
        "x" * 17,
        LONG,
    ],
)
def test_what_is_no_worker_id_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        names.worker_id(text)
    assert "is not a worker id" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["any", "local", "all"])
def test_a_reserved_word_is_no_worker_id(text: str) -> None:
    with pytest.raises(BadInput, match="reserved"):
        names.worker_id(text)


@pytest.mark.parametrize("text", [LONG, "a\nb\x1b[2J", "\0" * 50])
def test_a_refusal_quotes_what_was_typed_in_one_short_printable_line(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        names.worker_id(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "parts"),
    [("01", (None, "01")), ("vps/01", ("vps", "01")), ("local/01", ("local", "01")), ("a-1/b-2", ("a-1", "b-2"))],
)
def test_an_address_is_a_worker_with_or_without_its_host(text: str, parts: tuple[str | None, str]) -> None:
    assert names.address(text) == parts


@pytest.mark.parametrize(
    "text",
    ["", "/", "/01", "vps/", "a/b/01", "../01", "01/..", "any", "any/01", "all/01", "local/any", "VPS/01", "vps//01"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        names.address(text)


@pytest.mark.parametrize("text", [".", "..", "./x", "../x", "/", "/srv/x", "~", "~/x", "~ann/x"])
def test_a_repo_that_begins_like_a_path_is_a_path(text: str) -> None:
    assert names.is_path(text)


@pytest.mark.parametrize("text", ["", "owner/repo", "x", ".hidden", "...", "https://github.com/o/r", "a/../b"])
def test_any_other_repo_is_not_a_path(text: str) -> None:
    assert not names.is_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "owner/repo",
        "https://github.com/owner/repo",
        "https://github.com/owner/repo/",
        "https://github.com/owner/repo.git",
        "http://ghe.example.org/owner/repo",
        "git@github.com:owner/repo.git",
        "git@github.com:owner/repo",
        "ssh://git@github.com/owner/repo.git",
    ],
)
def test_every_spelling_of_a_repository_names_the_same(text: str) -> None:
    assert names.owner_repo(text) == "owner/repo"


@pytest.mark.parametrize("text", ["a-b/c.d_e-f", "O/R", "o" * 39 + "/" + "r" * 100, "o/.github", "o/r."])
def test_a_repository_name_is_returned_as_it_was_typed(text: str) -> None:
    assert names.owner_repo(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "owner",
        "owner/",
        "/repo",
        "a/b/c",
        "owner/.",
        "owner/..",
        "../repo",
        "owner/.git",
        "https://github.com/owner/.git",
        "-o/repo",
        "owner/re po",
        "owner/repo\n",
        "owner/repo;id",
        "owner\\repo",
        "o" * 40 + "/r",
        "o/" + "r" * 101,
        "https://github.com/owner",
        "https://github.com/a/b/c",
        "https://github.com/../repo",
        "file:///etc/passwd",
        "ext::sh -c id",
        LONG,
    ],
)
def test_what_is_no_repository_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a repository"):
        names.owner_repo(text)


def test_the_port_in_a_url_is_never_taken_for_an_owner() -> None:
    with pytest.raises(BadInput):
        names.owner_repo("https://ghe.example.org:8443/repo")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("42", 42),
        ("#42", 42),
        ("999999999", 999_999_999),
        ("https://github.com/owner/repo/issues/42", 42),
        ("https://github.com/owner/repo/issues/42#issuecomment-7", 42),
        ("https://ghe.example.org/owner/repo/issues/42?x=1", 42),
    ],
)
def test_an_issue_is_its_number_or_its_url(text: str, number: int) -> None:
    assert names.issue_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "abc",
        "0",
        "#0",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "1_0",
        "##42",
        " 42",
        "42\n",
        "٤٢",
        "²",
        "1000000000",
        "9" * 5000,
        "https://github.com/o/r/pull/42",
        "https://github.com/o/r/issues/",
        "https://github.com/o/r/issues/0",
        "https://github.com/o/r/issues/٤",
        "ftp://x/issues/42",
        "../issues/42",
    ],
)
def test_what_is_no_issue_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not an issue"):
        names.issue_number(text)


@pytest.mark.parametrize(
    ("text", "repository"),
    [
        ("https://github.com/owner/repo/issues/42", "owner/repo"),
        ("http://127.0.0.1:8080/owner/re.po-x_y/issues/42", "owner/re.po-x_y"),
        ("https://ghe.example.org/owner/repo/issues/42?x=1#issuecomment-7", "owner/repo"),
        *((text, None) for text in ("", "42", "#42", "owner/repo", "owner/repo#42", "/owner/repo/issues/42")),
        *((f"https://github.com/{path}", None) for path in ("o/r", "o/r/issues", "r/issues/4", "a/b/c/issues/4")),
        ("https://github.com/o/r/pull/42", "o/r"),
        ("ftp://github.com/owner/repo/issues/42", None),
        ("https://github.com/owner/repo/issues/42/x", None),
        ("https://github.com/owner/re po/issues/42", None),
        ("https://github.com/owner/repo/issues/42\n", None),
    ],
)
def test_an_issue_s_or_change_s_url_names_its_repository_and_a_number_none(text: str, repository: str | None) -> None:
    assert names.repository_in(text) == repository


@pytest.mark.parametrize(
    "text", ["7", "#7", *(f"https://github.com/o/r/pull/7{end}" for end in ("", "/", "/files", "#x", "?x=1"))]
)
def test_a_pull_request_is_its_number_or_its_url(text: str) -> None:
    assert names.change_number(text) == 7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "0",
        "-7",
        "7.0",
        " 7",
        "7\n",
        "٤",
        "1000000000",
        "9" * 5000,
        "o/r#7",
        "o/r/pull/7",
        *(
            f"https://github.com/{path}"
            for path in (
                "o/r/pull/",
                "o/r/pull/0",
                "o/r/pull/٤",
                "o/r/pull/7x",
                "r/pull/7",
                "o/r/pulls/7",
                "o/r/issues/7",
            )
        ),
        "https://github.com/o/r/issues/7",
        "ftp://github.com/o/r/pull/7",
    ],
)
def test_what_is_no_pull_request_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a pull request") as caught:
        names.change_number(text)
    assert caught.value.remedy
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://github.com/owner/repo", "github.com"),
        ("https://GitHub.com/owner/repo.git", "github.com"),
        ("http://127.0.0.1:8080/owner/repo", "127.0.0.1"),
        ("https://ghe.example.org:8443/owner/repo/", "ghe.example.org"),
        ("git@github.com:owner/repo.git", "github.com"),
        ("ssh://git@github.com/owner/repo.git", "github.com"),
        ("ssh://git@ghe.example.org:2222/owner/repo.git", "ghe.example.org"),
        *(
            (text, None)
            for text in ("", "owner/repo", "./repo", "github.com/owner/repo", "ftp://github.com/o/r", "https://")
        ),
    ],
)
def test_a_repository_s_url_names_its_host_and_a_name_none(text: str, host: str | None) -> None:
    assert names.host_of(text) == host


@pytest.mark.parametrize("text", ["main", "w01/issue-42", "release/1.2", "a", "a_b", "x" * 200])
def test_a_branch_name_is_returned_as_it_was_typed(text: str) -> None:
    assert names.branch_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "-x",
        "--upload-pack=id",
        ".x",
        "/x",
        "a b",
        "a;b",
        "a$b",
        "a\n",
        "a:b",
        "a~1",
        "a^",
        "a*",
        "a?",
        "é",
        "x" * 201,
        LONG,
    ],
)
def test_a_branch_name_that_a_shell_would_notice_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a branch name"):
        names.branch_name(text)


@pytest.mark.parametrize(
    "text",
    ["a..b", "a//b", "a/", "a.", "a.lock", "a.lock/b", "a/.b", "a/b.lock", "a@{b", "HEAD", "a/./b", "a/.."],
)
def test_a_branch_name_that_git_refuses_is_refused(text: str) -> None:
    taken = subprocess.run(["git", "check-ref-format", "--branch", text], capture_output=True, check=False)
    assert taken.returncode != 0
    with pytest.raises(BadInput, match="is not a branch name"):
        names.branch_name(text)


def test_a_task_s_branch_names_its_worker_and_its_issue() -> None:
    assert names.task_branch("01", 42, "12345678-aaaa") == "w01/issue-42"


def test_a_task_without_an_issue_has_eight_letters_of_its_id_in_its_branch() -> None:
    assert names.task_branch("01", None, "12345678-aaaa") == "w01/task-12345678"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("owner", "owner"),
        ("a b/c", "a-b-c"),
        ("../../etc", "etc"),
        ("", "x"),
        ("..", "x"),
        ("é", "x"),
        ("a.b-c", "a.b-c"),
    ],
)
def test_a_plain_word_is_safe_in_a_file_name(text: str, plain: str) -> None:
    assert names.plain_word(text) == plain
