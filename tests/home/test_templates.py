"""Templates: the user's before the shipped, filled in strictly and only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers import paths
from claude_workers.errors import BadInput
from claude_workers.home import templates


def own(relative: str, content: bytes) -> Path:
    """Write a template of the user's."""
    path = paths.config_dir() / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", templates.WORKER_FILES)
def test_a_shipped_template_is_used_where_the_user_has_none(name: str) -> None:
    assert templates.read(name) == (paths.shipped_templates() / "worker" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", templates.WORKER_FILES)
def test_the_user_s_template_wins(name: str) -> None:
    own(f"templates/worker/{name}", b"mine")
    assert templates.read(name) == "mine"


def test_a_template_that_nobody_has_is_refused() -> None:
    with pytest.raises(BadInput, match="no template"):
        templates.read("nothing.md")


def test_a_template_that_is_no_text_is_refused_by_its_path() -> None:
    path = own("templates/worker/prompt.md", b"\xff")
    with pytest.raises(BadInput, match="cannot be read") as caught:
        templates.read("prompt.md")
    assert str(path) in caught.value.message


def test_every_variable_is_filled_in() -> None:
    values = {"a": "1", "workerId": "01"}
    assert templates.fill("{{a}} {{ a }}{{workerId}}\n{{\ta }}", values, "here") == "1 101\n1"


def test_a_value_is_inserted_as_it_stands() -> None:
    values = {"a": "{{b}} \\1 \\g<0> {{nothing}}", "b": "never"}
    assert templates.fill("<{{a}}>", values, "here") == "<{{b}} \\1 \\g<0> {{nothing}}>"


@pytest.mark.parametrize("name", ["nothing", "A", "worker_id", "issue2"])
def test_a_variable_without_a_value_is_refused_naming_those_that_have_one(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        templates.fill(f"text {{{{{name}}}}}", {"a": "1", "b": "2"}, "prompt.md")
    assert "prompt.md" in caught.value.message
    assert f"{{{{{name}}}}}" in caught.value.message
    assert "a, b" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "{", "{}", "{a}", "{{}}", "{{ }}", '{"a": {"b": 1}}', "${a}", "}}{{"])
def test_braces_that_hold_no_name_stay(text: str) -> None:
    assert templates.fill(text, {"a": "1"}, "here") == text


def test_a_named_prompt_is_the_user_s_file() -> None:
    own("prompts/fix.md", b"Fix {{task}}")
    assert templates.named_prompt("fix") == "Fix {{task}}"


@pytest.mark.parametrize("name", ["", "other", "../fix", "prompts/fix", "fix.md", "/etc/passwd", "*", "x" * 300, "a\0"])
def test_a_prompt_that_is_not_there_is_refused_naming_those_that_are(name: str) -> None:
    own("prompts/fix.md", b"x")
    own("prompts/review.md", b"x")
    own("fix.md", b"secret")
    with pytest.raises(BadInput) as caught:
        templates.named_prompt(name)
    assert "fix, review" in caught.value.remedy
    assert len(caught.value.message) < 100


def test_without_any_prompt_the_refusal_says_where_to_put_one() -> None:
    with pytest.raises(BadInput) as caught:
        templates.named_prompt("fix")
    assert str(paths.config_dir() / "prompts") in caught.value.remedy
