"""The settings: every key with its default, where its value came from, and per-repository overrides."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claude_workers import kinds, names, paths, toml
from claude_workers.errors import BadInput

LEVELS = ("enclosure", "double", "claude", "container", "none")
_ADDRESSES = frozenset({"ssh_url", "rescue_remote"})
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NOTICES = ("question", "proposal", "finished", "failed", "limit")
_NOTIFY = re.compile(r"(ntfy|webhook|slack):(https?://\S+|\$[A-Z][A-Z0-9_]*)|command:.*\S.*")
_CHOICES = {
    "isolation": LEVELS,
    "permissions": ("dontAsk", "bypass"),
    "network": ("allow-list", "open"),
    "expect": ("change", "answer", "either"),
    "auth": ("key", "token"),
    "forge_access": ("runner", "worker"),
    "merge": ("review", "auto"),
}


def _key(default: Any, meaning: str, env: str = "", *, kind: str = "") -> Any:  # noqa: ANN401
    metadata = {"meaning": meaning, "env": env, "kind": kind}
    if isinstance(default, tuple):
        return field(default=default, metadata={**metadata, "kind": "list"})
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """All settings in force for one repository; durations in seconds."""

    model: str | None = _key(None, "the agent's model; unset: Claude Code's own default", "CLAUDE_WORKERS_MODEL")
    claude: str | None = _key(None, "the agent's binary; unset: claude on PATH", "CLAUDE_WORKERS_CLAUDE")
    budget_usd: float | None = _key(None, "most a task may cost, in list prices", kind="float")
    budget_tokens: int | None = _key(None, "most tokens a task may use", kind="count")
    budget_usd_day: float | None = _key(None, "most that all tasks may cost a day", kind="float")
    budget_usd_week: float | None = _key(None, "the same for a week, from Monday", kind="float")
    budget_usd_month: float | None = _key(None, "the same for a calendar month", kind="float")
    budget_tokens_day: int | None = _key(None, "most tokens that all tasks may use a day", kind="count")
    budget_tokens_week: int | None = _key(None, "the same for a week", kind="count")
    budget_tokens_month: int | None = _key(None, "the same for a month", kind="count")
    budget_time_day: float | None = _key(None, "most time that all agents may work a day", kind="duration")
    budget_time_week: float | None = _key(None, "the same for a week", kind="duration")
    budget_time_month: float | None = _key(None, "the same for a month", kind="duration")
    max_turns: int | None = _key(None, "most turns of the agent in one go", kind="int")
    time_limit: float = _key(4 * 3600.0, "most time an agent may work on a task", kind="duration")
    start_limit: float = _key(90.0, "most time to the agent's first event", kind="duration")
    silence_limit: float = _key(900.0, "most time without any sign of work", kind="duration")
    setup_limit: float = _key(1800.0, "most time for setup and for verify, each", kind="duration")
    max_attempts: int = _key(3, "most tries at one task", kind="int")
    backoff: float = _key(10.0, "wait before the second try, doubled for each further one", kind="duration")
    backoff_limit: float = _key(300.0, "longest wait between two tries", kind="duration")
    rescue_every: float = _key(300.0, "how often unfinished work is carried out of a clone", kind="duration")
    rescue_file_limit: int = _key(100 << 20, "largest untracked file that is rescued", kind="size")
    rescue_limit: int = _key(1 << 30, "most bytes of untracked files that are rescued", kind="size")
    rescue_remote: str | None = _key(None, "where rescued commits are pushed, too: origin, or git's URL or path")
    verify_retries: int = _key(2, "how often a failed gate goes back to the agent", kind="int")
    isolation: str | None = _key(
        None, "enclosure, double, claude, container or none; unset: the best here", "CLAUDE_WORKERS_ISOLATION"
    )
    network: str = _key("allow-list", "allow-list, or open for no filter")
    allowed_domains: tuple[str, ...] = _key((), "more hosts an agent may reach: host, *.host, host:port")
    persist: tuple[str, ...] = _key((".cache",), "folders of the home, beside its own, that outlive a task")
    permissions: str = _key("dontAsk", "dontAsk, or bypass (inside an enclosure only)")
    auth: str | None = _key(None, "which pays when both an API key and a token are set: key or token")
    disk_floor: int = _key(1 << 30, "disk that must be free before a task starts", kind="size")
    memory_floor: int = _key(512 << 20, "memory that must be free before a task starts", kind="size")
    memory_limit: int | None = _key(None, "most memory an agent and all it starts may use", kind="size")
    keep: float = _key(30 * 86400.0, "how long gc leaves ended tasks alone", kind="duration")
    git_name: str | None = _key(None, "the agents' git author; unset: the operator's")
    git_email: str | None = _key(None, "the agents' git address; unset: the operator's")
    base: str | None = _key(None, "the branch to start from; unset: the remote's HEAD")
    setup: str | None = _key(None, "command that prepares a fresh checkout")
    setup_required: bool = _key(default=False, meaning="a failing setup ends the task", kind="bool")
    verify: str | None = _key(None, "command that must pass before anything is published")
    post_checkout: str | None = _key(None, "command run in the agent's clone after checkout")
    env_file: str | None = _key(None, "file of NAME=value given to the agent and the gate")
    expect: str | None = _key(None, "change, answer or either")
    trust_project_settings: bool = _key(default=False, meaning="let a repository's .claude/ apply", kind="bool")
    host_name: str | None = _key(None, "this machine's name on claims and labels; unset: its hostname, on no label")
    credential_set: str | None = _key(None, "the [credentials.NAME] table whose tokens are used")
    forge_access: str = _key("runner", "who holds the forge's token: runner, or worker (its agent_token)")
    approval_label: str | None = _key(None, "a label that lets an issue of a stranger be worked on")
    ssh_key: str | None = _key(None, "private key file for git over SSH; unset: HTTPS with the token")
    ssh_url: str | None = _key(None, "git's address with ssh_key; unset: ssh://git@SERVER/OWNER/REPO.git")
    submodules: tuple[str, ...] = _key((), "submodules the runner fetches with its access: owner/repo")
    notify: tuple[str, ...] = _key((), "who is told: ntfy:URL, webhook:URL, slack:URL, command:LINE; $NAME for an URL")
    notify_on: tuple[str, ...] = _key(NOTICES, "of what: question, proposal, finished, failed, limit")
    propose: bool = _key(default=False, meaning="an idle loop lets a worker read and file proposals", kind="bool")
    proposals: int = _key(3, "most proposals of a repository that may be open", kind="int")
    question_limit: float | None = _key(None, "how long an agent's question may wait; unset: for ever", kind="duration")
    question_default: str | None = _key(None, "what an agent is told after that; unset: its task ends deferred")
    merge: str = _key("review", "review: a person merges; auto: what passes is merged (on GitHub: by [repos] alone)")
    follow_rounds: int = _key(3, "how often failing checks and reviews of a change go back to its agent", kind="int")
    origins: dict[str, str] = field(default_factory=dict)


KEYS = {one.name: one for one in dataclasses.fields(Settings) if one.name != "origins"}
GATE_KEYS = frozenset({"base", "setup", "verify", "verify_retries", "post_checkout"})
# What a span of time may cost: in a table of a repository or credential set, that one's alone.
SPAN_KEYS = frozenset(
    name for name in KEYS if name.startswith("budget_") and name.endswith(("_day", "_week", "_month"))
)
CREDENTIAL_KEYS = SPAN_KEYS | {"forge_token", "agent_token", "api_key", "oauth_token", "base_url", "auth"}
REPOSITORY_KEYS = frozenset(
    GATE_KEYS
    | SPAN_KEYS
    | {"budget_usd", "budget_tokens", "time_limit", "memory_limit", "rescue_remote"}
    | {"setup_required", "env_file", "expect", "trust_project_settings", "credential_set", "forge_access"}
    | {"approval_label", "ssh_key", "ssh_url", "submodules", "follow_rounds", "merge"}
    | {"question_limit", "question_default", "propose", "proposals"}
)
GATE_FILE = ".claude-workers.toml"


def file() -> Path:
    """Return where the operator's settings stand."""
    return paths.config_dir() / "config.toml"


def load(repository: str | None = None) -> Settings:
    """Return the settings: defaults, then config.toml, then its table for `repository`, then env.

    Raises BadInput naming the file and key when one is unknown or of the wrong kind.
    """
    path = file()
    data = toml.read(path)
    data.pop("credentials", None)
    tables = data.pop("repos", {})
    values, origins = _checked(data, frozenset(KEYS), str(path))
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise BadInput(f"{path}: repos is no table of tables", 'write [repos."owner/repo"]')
    if repository and repository in tables:
        where = f'{path} [repos."{repository}"]'
        more, from_table = _checked(tables[repository], REPOSITORY_KEYS, where)
        values |= {name: value for name, value in more.items() if name not in SPAN_KEYS}
        origins |= {name: origin for name, origin in from_table.items() if name not in SPAN_KEYS}
    for name, key in KEYS.items():
        variable = key.metadata["env"]
        if variable and os.environ.get(variable):
            values[name] = convert(name, os.environ[variable], variable)
            origins[name] = f"${variable}"
    return Settings(**values, origins=origins)


def spans(table: str, name: str) -> dict[str, Any]:
    """Return what spans of time may cost in `[repos.NAME]` or `[credentials.NAME]`; {} without one."""
    path = file()
    tables = toml.read(path).get(table, {})
    found = tables.get(name) if isinstance(tables, dict) else None
    if not isinstance(found, dict):
        return {}
    known = CREDENTIAL_KEYS if table == "credentials" else REPOSITORY_KEYS
    for unknown in sorted(set(found) - known):
        raise BadInput(f"{path} [{table}.{name}]: unknown key {unknown!r}", f"known are {', '.join(sorted(known))}")
    given = {key: value for key, value in found.items() if key in SPAN_KEYS}
    return _checked(given, SPAN_KEYS, f'{path} [{table}."{name}"]')[0]


def credential_set(name: str) -> dict[str, Any]:
    """Return the table `[credentials.NAME]`; BadInput when there is none."""
    path = file()
    if not is_set_name(name):
        raise BadInput(f"{name[:40]!r} is no credential set's name", "use letters, digits, dots and dashes")
    tables = toml.read(path).get("credentials", {})
    found = tables.get(name) if isinstance(tables, dict) else None
    if not isinstance(found, dict):
        raise BadInput(f"{path} has no table [credentials.{name}]", "write it, or name another credential_set")
    return found


def with_gate(settings: Settings, text: str) -> Settings:
    """Return the settings with a repository's own `.claude-workers.toml`, read at its base's tip.

    The operator's word wins; only the gate's keys are taken from a repository.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{GATE_FILE} at the base does not parse: {error}", "mend it on the base") from error
    values, origins = _checked(data, GATE_KEYS, GATE_FILE)
    fresh = {name: value for name, value in values.items() if name not in settings.origins}
    merged = {**settings.origins, **{name: origins[name] for name in fresh}}
    return dataclasses.replace(settings, **fresh, origins=merged)


def _checked(data: object, known: frozenset[str], where: str) -> tuple[dict[str, Any], dict[str, str]]:
    if not isinstance(data, dict):
        raise BadInput(f"{where} is not a table", "write key = value lines")
    unknown = sorted(set(data) - known)
    if unknown:
        raise BadInput(f"{where}: unknown key {unknown[0]!r}", f"known are {', '.join(sorted(known))}")
    values = {name: convert(name, value, f"{where}: {name}") for name, value in data.items()}
    return values, dict.fromkeys(values, where)


def convert(name: str, value: object, where: str) -> Any:  # noqa: ANN401
    """Return a written value in the kind its key has; BadInput, naming `where`, when it cannot be."""
    kind = KEYS[name].metadata["kind"]
    if name in _ADDRESSES and re.search(r"//[^/@]*:[^/@]*@|https?://[^/@]*@", str(value)):
        raise BadInput(f"{where} holds a password", "write an address without one: it would be shown")
    try:
        converted = kinds.convert(kind, value)
    except (ValueError, TypeError, KeyError, BadInput) as error:
        reason = error.message if isinstance(error, BadInput) else f"it takes {kinds.SPOKEN.get(kind, 'text')}"
        raise BadInput(f"{where} = {value!r}: {reason}", "see `claude-workers config`") from error
    if name == "host_name":
        _named(converted, where)
    if name == "notify" and not all(_NOTIFY.fullmatch(one) for one in converted):
        raise BadInput(f"{where}: no place to notify", "write ntfy:URL, webhook:URL, slack:URL or command:LINE")
    if name == "notify_on" and not set(converted) <= set(NOTICES):
        raise BadInput(f"{where} = {value!r}: unknown choice", f"choose of {', '.join(NOTICES)}")
    if name in _CHOICES and converted not in _CHOICES[name]:
        raise BadInput(f"{where} = {value!r}: unknown choice", f"choose {', '.join(_CHOICES[name])}")
    return converted


def put(name: str, text: str) -> None:
    """Write one setting into config.toml, all else in it untouched; BadInput when it is none or cannot be that."""
    _check_known(name)
    spoken = KEYS[name].metadata["kind"]
    wanted = convert(name, text, name)
    # A duration, size or count stays as it is spoken.
    with toml.edited(file()) as document:
        document[name] = wanted if spoken in {"bool", "int", "float"} else list(wanted) if spoken == "list" else text


def describe(name: str) -> dict[str, Any]:
    """Return one key as `described` does; BadInput when it is none."""
    _check_known(name)
    return next(one for one in described() if one["key"] == name)


def _check_known(name: str) -> None:
    if name not in KEYS:
        raise BadInput(f"{names.shown(name)} is no setting", "claude-workers config lists them")


def is_set_name(name: str) -> bool:
    """Tell whether a credential set may be called so."""
    return bool(_SET_NAME.fullmatch(name))


def _named(value: str, where: str) -> None:
    try:
        names.worker_id(value)
    except BadInput as error:
        raise BadInput(f"{where} = {names.shown(value)} is no host's name", error.remedy) from error


def _shown(name: str, value: Any) -> Any:  # noqa: ANN401
    """Return a value as it may be shown: whoever knows the rest of such an address may write there."""
    return tuple(re.sub(r"(https?://[^/]+/).+", r"\1...", one) for one in value) if name == "notify" else value


def described() -> list[dict[str, Any]]:
    """Return every key with value, origin, environment name and meaning, as `config` shows them."""
    settings = load()
    return [
        {
            "key": name,
            "value": _shown(name, getattr(settings, name)),
            "origin": settings.origins.get(name, "default"),
            "env": key.metadata["env"] or None,
            "meaning": key.metadata["meaning"],
        }
        for name, key in KEYS.items()
    ]
