"""Building a machine's image: what a builder is asked to do, where no registry can be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claude_workers.errors import NoCredentials, Refused, WorkersError
from claude_workers.machines import image
from claude_workers.machines.image import Build

BUILD = Build("x.whl", b"wheel", "debian:test", ("--network", "host"))
BUILDER = """#!/bin/sh
echo "$@" >> {folder}/asked
case "$1" in
  login) cat > {folder}/password ;;
  build) for last; do :; done; ls "$last" > {folder}/context; exit ${{FAILS:-0}} ;;
  push) [ "$2" = --digestfile ] && printf 'sha256:abc\\n' > "$3"; exit 0 ;;
  image) echo "registry.fly.io/a@sha256:def" ;;
esac
"""


def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
    """Put a builder on PATH that keeps what it is asked."""
    folder = tmp_path / "builder"
    folder.mkdir()
    (folder / name).write_text(BUILDER.format(folder=folder), encoding="utf-8")
    (folder / name).chmod(0o755)
    for tool in ("sh", "cat", "ls"):
        (folder / tool).symlink_to(f"/bin/{tool}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("FLY_API_TOKEN", "FlyV1 fm2_secret")
    return folder


@pytest.mark.parametrize(("name", "digest"), [("podman", "sha256:abc"), ("docker", "sha256:def")])
def test_an_image_is_built_sent_and_known_by_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, digest: str
) -> None:
    folder = builder(tmp_path, monkeypatch, name)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    assert image.build("registry.fly.io/a:agent", BUILD, push=True) == digest
    asked = (folder / "asked").read_text("utf-8")
    assert "build --tag registry.fly.io/a:agent --build-arg=BASE=debian:test" in asked
    assert "--build-arg=PIP_INDEX_URL=https://index.example --network host /" in asked
    assert "login registry.fly.io --username x --password-stdin" in asked
    assert (folder / "password").read_text("utf-8") == "fm2_secret"
    assert "fm2_secret" not in asked
    assert {"Dockerfile", "entrypoint", "firewall", "x.whl"} <= set((folder / "context").read_text("utf-8").split())


def test_an_image_that_is_not_built_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = builder(tmp_path, monkeypatch, "podman")
    monkeypatch.setenv("FAILS", "3")
    with pytest.raises(WorkersError, match="was not built: podman build ended with exit 3"):
        image.build("registry.fly.io/a:agent", BUILD, push=True)
    assert "push" not in (folder / "asked").read_text("utf-8")
    (folder / "podman").unlink()
    with pytest.raises(Refused, match="neither podman nor docker"):
        image.build("a", BUILD, push=False)


def test_without_a_token_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = builder(tmp_path, monkeypatch, "podman")
    monkeypatch.delenv("FLY_API_TOKEN")
    with pytest.raises(NoCredentials):
        image.build("registry.fly.io/a:agent", BUILD, push=True)
    assert "push" not in (folder / "asked").read_text("utf-8")
    assert os.environ["PATH"] == str(folder)
