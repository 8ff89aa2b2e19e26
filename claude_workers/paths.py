"""Where things are kept: the root of homes, the configuration folder, the shipped templates."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from claude_workers.errors import BadInput

ROOT_VARIABLE = "CLAUDE_WORKERS_ROOT"
CONFIG_VARIABLE = "CLAUDE_WORKERS_CONFIG_DIR"
DATABASE_VARIABLES = ("CLAUDE_WORKERS_DB", "TICKET_DB")


@dataclass(frozen=True)
class Layout:
    """The folder that holds every home of this machine, and what lies beside the homes.

    `database`: the tickets', where it is not in the root.
    """

    root: Path
    database: Path | None = None

    @property
    def repositories(self) -> Path:
        """Our own bare repositories, one per upstream."""
        return self.root / ".repos"

    @property
    def locks(self) -> Path:
        """Lock files; their content means nothing."""
        return self.root / ".locks"

    @property
    def tickets(self) -> Path:
        """The embedded forge's database: in the root unless one was named."""
        return self.database or self.root / "tickets.db"

    @property
    def golden(self) -> Path:
        """Snapshots of homes."""
        return self.root / ".golden"

    @property
    def limits(self) -> Path:
        """Until when credentials are not to be used."""
        return self.root / ".limits.json"

    @property
    def paused(self) -> Path:
        """There while nothing new is to be dispatched."""
        return self.root / ".paused.json"

    @property
    def spending(self) -> Path:
        """What was spent, a file a month."""
        return self.root / ".spending"

    @property
    def identity(self) -> Path:
        """The root's random name."""
        return self.root / ".identity"

    def claims_memory(self, key: str) -> Path:
        """Return where the root remembers what it last saw of a repository's claims; `*` is a pattern for all."""
        return self.repositories / f"{key}.claims.json"

    def worker_lock(self, worker: str) -> Path:
        """Return the lock that every verb that changes a worker holds."""
        return self.locks / f"worker-{worker}"

    def repository_lock(self, name: str) -> Path:
        """Return the lock of making, filling and deleting one of our own repositories."""
        return self.locks / f"repo-{name}"

    @property
    def update_lock(self) -> Path:
        """Return the lock that an update of the tool holds."""
        return self.locks / "update"

    @property
    def loop(self) -> Path:
        """What the loop that works on this root was told."""
        return self.root / ".work.json"

    @property
    def notices(self) -> Path:
        """What is still to be told to people, and what was."""
        return self.root / ".notices"

    @property
    def work_lock(self) -> Path:
        """Return the lock that the loop of this root holds."""
        return self.locks / "work"

    @property
    def recover_lock(self) -> Path:
        """Return the lock that whoever keeps recovering holds."""
        return self.locks / "recover"

    @property
    def room_lock(self) -> Path:
        """Return the lock of putting one more worker to work where their number is limited."""
        return self.locks / "room"

    def presence_lock(self, worker: str) -> Path:
        """Return the lock that a person holds who is in a worker's home."""
        return self.locks / f"presence-{worker}"

    def runner_lock(self, worker: str) -> Path:
        """Return the lock that a worker's runner holds for as long as it lives."""
        return self.locks / f"runner-{worker}"


def layout(root: str | os.PathLike[str] | None = None, database: str | None = None) -> Layout:
    """Return the layout under `root`, else CLAUDE_WORKERS_ROOT, else ~/workers.

    The tickets are in `database`, else CLAUDE_WORKERS_DB, else TICKET_DB, else in the root.
    """
    chosen = os.fspath(root or os.environ.get(ROOT_VARIABLE) or "~/workers")
    path = Path(os.path.realpath(_expanded(chosen)))
    if path == Path(path.anchor):
        raise BadInput("the root of homes cannot be /", f"name a folder with --root or {ROOT_VARIABLE}")
    named = database or next((os.environ[name] for name in DATABASE_VARIABLES if os.environ.get(name)), None)
    return Layout(path, Path(os.path.realpath(_expanded(named))) if named else None)


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise BadInput(f"{text[:80]}: there is no such user's home", "name the folder by its full path") from error


def config_dir() -> Path:
    """Return the folder of config.toml, hosts.toml, credentials.env, templates/ and prompts/."""
    chosen = os.environ.get(CONFIG_VARIABLE)
    if chosen:
        return _expanded(chosen).absolute()
    from platformdirs import user_config_path  # noqa: PLC0415  start-up cost

    return user_config_path("claude-workers")


def project_page(repository: str) -> Path:
    """Return where the operator keeps what every agent must know of a repository, named owner/repo."""
    return config_dir() / "projects" / f"{repository.replace('/', '-')}.md"


def shipped_image() -> Path:
    """Return the folder of the image that machines run: of the installed package, else of the checkout."""
    package = Path(__file__).resolve().parent
    return next(one for one in (package / "agent_image", package.parent / "agent_image") if one.is_dir())


def shipped_templates() -> Path:
    """Return the folder of templates that came with the package or stands in the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"
