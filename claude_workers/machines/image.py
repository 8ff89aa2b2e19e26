"""The image of a machine, built from agent_image/ with the very program that runs here, and sent to its registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from claude_workers import paths
from claude_workers.errors import Refused, WorkersError
from claude_workers.fly import api

_BUILDERS = ("podman", "docker")
# What a builder is to fetch packages from, where this machine has its own.
_PASSED = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")


@dataclass(frozen=True)
class Build:
    """How an image is built: its wheel, an own base, further words for the builder."""

    wheel: str
    content: bytes
    base: str | None = None
    words: tuple[str, ...] = ()


def build(name: str, wanted: Build, *, push: bool) -> str:
    """Build an image, send it to its registry where `push`, and return its digest."""
    builder = next((one for one in _BUILDERS if shutil.which(one)), None)
    if builder is None:
        raise Refused("neither podman nor docker is on PATH", "install one: apt-get install podman")
    with tempfile.TemporaryDirectory(prefix="claude-workers-image-") as folder:
        context = Path(folder, "context")
        shutil.copytree(paths.shipped_image(), context)
        (context / wanted.wheel).write_bytes(wanted.content)
        given = {"BASE": wanted.base} if wanted.base else {}
        given |= {one: os.environ[one] for one in _PASSED if os.environ.get(one)}
        words = [f"--build-arg={key}={value}" for key, value in given.items()]
        _run([builder, "build", "--tag", name, *words, *wanted.words, str(context)], "the image was not built")
        if not push:
            return _printed([builder, "image", "inspect", "--format", "{{.Id}}", name])
        return _sent(builder, name, Path(folder))


def _sent(builder: str, name: str, folder: Path) -> str:
    """Send an image and return the digest that its registry knows it by; Fly's takes its token as the password."""
    registry = name.partition("/")[0]
    if registry == "registry.fly.io":
        login = [builder, "login", registry, "--username", "x", "--password-stdin"]
        _run(login, f"{registry} did not let us in", stdin=api.token().removeprefix("FlyV1 "))
    if builder == "podman":
        _run([builder, "push", "--digestfile", str(folder / "digest"), name], "the image was not sent")
        return (folder / "digest").read_text("utf-8").strip()
    _run([builder, "push", name], "the image was not sent")
    found = _printed([builder, "image", "inspect", "--format", "{{index .RepoDigests 0}}", name])
    return found.rpartition("@")[2]


def _run(argv: list[str], failed: str, stdin: str = "") -> None:
    """Run a builder, what it says going to stderr; WorkersError when it fails."""
    done = subprocess.run(argv, input=stdin, text=True, stdout=2, check=False)
    if done.returncode != 0:
        raise WorkersError(f"{failed}: {argv[0]} {argv[1]} ended with exit {done.returncode}", "look at what it said")


def _printed(argv: list[str]) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-200:]
        raise WorkersError(f"{argv[0]} {argv[1]} failed: {said}", "look at what it said")
    return done.stdout.strip()
