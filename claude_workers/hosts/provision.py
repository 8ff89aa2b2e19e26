"""Provisioning a host of machines: the app or engine, the image, the credentials; each seen to be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.home import sets
from claude_workers.hosts import opened, registry
from claude_workers.hosts.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from claude_workers.hosts.tables import Host
    from claude_workers.machines.image import Build

Doing = tuple[Step, "Callable[[], Step] | None"]


def carry_out(host: Host, build: Build | None, *, dry_run: bool) -> Iterator[Step]:
    """Do what is wanted, in order; yield each step as it was found, or when it begins and as it came out.

    The first that fails is the last. `build`: have the image made and sent, by these words.
    """
    for look in (_app, _image, _credentials):
        before, do = look(host, build)
        if before.state != "wanted" or dry_run or do is None:
            yield before
            if before.state in {"blocked", "failed"}:
                return
            continue
        yield Step(before.what, "doing", before.said)
        try:
            yield do()
        except WorkersError as error:
            yield Step(before.what, "failed", error.message, error.remedy)
            return


def _app(host: Host, build: Build | None) -> Doing:
    """Have the app, or an engine that answers."""
    del build
    if host.kind == "container":
        from claude_workers.hosts.engine import version  # noqa: PLC0415  only for its kind

        try:
            return Step("engine", "there", version(host.engine)), None
        except WorkersError as error:
            return Step("engine", "blocked", error.message, error.remedy), None
    from claude_workers.fly.api import Fly  # noqa: PLC0415  only for its kind

    fly = Fly(host.app or "")
    try:
        if fly.exists():
            return Step("app", "there", host.app or ""), None
    except WorkersError as error:
        return Step("app", "blocked", error.message, error.remedy), None

    def make() -> Step:
        fly.create_app(host.org or "")
        return Step("app", "done", f"{host.app} in {host.org}, in a network of its own")

    return Step("app", "wanted", f"{host.app} is not there, or not yours to see"), make


def _image(host: Host, build: Build | None) -> Doing:
    """Have the image, and know its digest."""
    from claude_workers.machines import image  # noqa: PLC0415  start-up cost

    if build is None:
        if host.digest:
            return Step("image", "there", f"{host.image}, {host.digest[:19]}"), None
        again = f"claude-workers host setup {host.name} --build"
        return Step("image", "advised", f"{host.image}: it is not known which build of it", again), None

    def make() -> Step:
        digest = image.build(host.image or "", build, push=host.kind == "fly")
        registry.note(host.name, "digest", digest)
        return Step("image", "done", f"{host.image}, {digest[:19]}, in {registry.file()}")

    return Step("image", "wanted", f"{host.image} is to be built"), make


def _credentials(host: Host, build: Build | None) -> Doing:
    """Have the credential set that workers there pay with."""
    del build
    name = host.credential_set
    if not name:
        said = "workers there have none of their own"
        return Step("credentials", "advised", said, "write credential_set into hosts.toml"), None

    def send() -> Step:
        opened.housed(host).keep_credentials({name: sets.whole(name)}, force=False)
        return Step("credentials", "done", f"{name}, kept as a secret")

    return Step("credentials", "wanted", f"{name} is to be sent"), send
