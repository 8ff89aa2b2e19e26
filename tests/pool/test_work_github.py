"""The loop and merging on GitHub: labelled issues become pull requests, and land only where the config names them."""

from __future__ import annotations

from claude_workers.pool.sources import Labelled
from tests.conftest import git
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, DONE


def test_labelled_issues_become_pull_requests(on_github: GitHubStage) -> None:
    numbers = [on_github.file(ADD, DONE) for _ in range(2)]
    other = on_github.file(ADD, DONE)
    stranger = on_github.file(ADD, DONE, author="eve")
    for one in (*numbers, stranger):
        on_github.github.add_label(REPO, one, "ready")
    events = list(on_github.fleet.work(repos=[REPO], label="ready", until_empty=True, interval=0.05))
    assert sorted(one.did for one in events) == ["ended", "ended", "passed", "took", "took"]
    assert sorted(on_github.labels(one) for one in numbers) == [["pull-request", "ready"]] * 2
    assert on_github.labels(other) == []
    assert len(on_github.pulls()) == 2


def test_asking_again_costs_nothing_where_nothing_has_changed(on_github: GitHubStage) -> None:
    number = on_github.file(ADD, DONE)
    on_github.github.add_label(REPO, number, "ready")
    source = Labelled(on_github.fleet.layout, REPO, "ready")
    assert source.waiting() == [(REPO, number)]
    on_github.github.reset_calls()
    assert source.waiting() == [(REPO, number)]
    assert on_github.github.calls == []
    source.forget()
    assert source.waiting() == [(REPO, number)]
    assert [one.status for one in on_github.github.calls] == [304]
    on_github.github.add_label(REPO, on_github.file(ADD, DONE), "ready")
    source.forget()
    assert source.waiting() == [(REPO, number), (REPO, number + 1)]


def test_a_change_lands_on_github_only_where_the_repository_is_named(on_github: GitHubStage) -> None:
    bare = on_github.github.repository(REPO).bare
    before = git("rev-parse", "main", at=bare)
    on_github.configure('merge = "auto"\n')
    assert on_github.play(ADD, DONE).merged == ""
    assert git("rev-parse", "main", at=bare) == before
    on_github.configure(f'[repos."{REPO}"]\nmerge = "auto"\n')
    receipt = on_github.play({"run": "echo x > x && git add x && git commit -qm X"}, DONE)
    assert receipt.merged == git("rev-parse", "main", at=bare)
    assert git("rev-parse", "main^", at=bare) == before
