"""The embedded forge keeps the seam's promises, and chooses itself for repositories named by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers.errors import BadInput, NotFound
from claude_workers.forge.choose import forge_of, github
from claude_workers.forge.embedded import EmbeddedForge
from claude_workers.forge.seam import Forge
from claude_workers.model import Repository
from claude_workers.paths import Layout
from claude_workers.tickets.database import Database
from claude_workers.tickets.tickets import Tickets
from tests.desk import close
from tests.forge.conformance import Bench, ForgeConformance, a_task


class EmbeddedBench:
    """A repository whose issues are tickets."""

    def __init__(self, layout: Layout, path: Path) -> None:
        self._layout = layout
        self._tickets = Tickets(layout.tickets)
        self.repository = str(path)
        self._published = 0

    def forge(self) -> Forge:
        return forge_of(self._layout, Repository("local/calc", self.repository, self.repository))

    def file(self, title: str, body: str = "") -> int:
        return self._tickets.create(self.repository, title, body, "ann")

    def file_elsewhere(self) -> int:
        return self._tickets.create(f"{self.repository}-of-another", "Foreign", "", "ann")

    def publish(self, branch: str) -> str:  # noqa: ARG002  a record needs no git
        self._published += 1
        return f"{self._published:040x}"

    def close(self, number: int) -> None:
        close(self._tickets, number)


class TestEmbeddedForge(ForgeConformance):
    """The embedded forge."""

    @pytest.fixture
    def bench(self, layout: Layout, tmp_path: Path) -> Bench:
        return EmbeddedBench(layout, tmp_path / "calc")

    @pytest.mark.parametrize(("proposed", "status"), [(True, "ready"), (False, "open")])
    def test_a_released_ticket_says_whether_a_change_awaits_review(
        self, bench: Bench, layout: Layout, *, proposed: bool, status: str
    ) -> None:
        number = bench.file("x")
        bench.forge().claim(a_task(number))
        assert status_of(layout, number) == "in_progress"
        bench.forge().release(a_task(number), proposed=proposed)
        assert status_of(layout, number) == status


def status_of(layout: Layout, number: int) -> str:
    with Database(layout.tickets).transaction() as db:
        return str(db.execute("SELECT status FROM tickets WHERE id = ?", (number,)).fetchone()["status"])


def test_a_repository_named_by_its_path_has_the_embedded_forge(layout: Layout, tmp_path: Path) -> None:
    repository = Repository("local/calc", str(tmp_path), str(tmp_path))
    assert isinstance(forge_of(layout, repository), EmbeddedForge)


def test_choosing_a_forge_writes_nothing(layout: Layout, tmp_path: Path) -> None:
    forge_of(layout, Repository("local/calc", str(tmp_path), str(tmp_path)))
    assert not layout.root.exists()


def test_a_repository_without_a_path_is_github_s(layout: Layout) -> None:
    forge = forge_of(layout, Repository("owner/repo", "https://github.com/owner/repo"))
    assert type(forge).__name__ == "GitHubForge"


def test_a_repository_by_its_path_is_not_on_github(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="owner/repo"):
        github(layout, Repository("local/calc", str(tmp_path), str(tmp_path)))


def test_a_ticket_of_another_repository_cannot_be_claimed(layout: Layout, tmp_path: Path) -> None:
    bench = EmbeddedBench(layout, tmp_path)
    with pytest.raises(NotFound):
        bench.forge().claim(a_task(bench.file_elsewhere()))
