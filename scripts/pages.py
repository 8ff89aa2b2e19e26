"""The pages that are written from the code, docs/cli.md and docs/library.md; --check tells whether one is stale."""

from __future__ import annotations

import sys
from pathlib import Path

import cli_docs
import library_docs

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """Write the pages, or with --check exit 1 when one is not as it should be."""
    for name, made in {"cli.md": cli_docs.page(), "library.md": library_docs.page()}.items():
        page = DOCS / name
        if sys.argv[1:] != ["--check"]:
            page.write_text(made, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != made:
            sys.exit(f"docs/{name} is stale: run .venv/bin/python scripts/pages.py")


if __name__ == "__main__":
    main()
