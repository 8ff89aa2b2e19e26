"""The entry point: the table of verbs, loaded when used, and the one place where errors become exits."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from claude_workers import __version__
from claude_workers.cli.common import Call, with_globals
from claude_workers.errors import Elsewhere, Refused, WorkersError

if TYPE_CHECKING:
    from types import TracebackType

    from click.shell_completion import CompletionItem

VERBS = {
    "init": ("homes", "Make workers: an isolated home each."),
    "dispatch": ("dispatch", "Give a worker an issue or a prompt and return."),
    "assign": ("issues", "Give issues to idle workers."),
    "status": ("status", "Show what every worker is doing."),
    "watch": ("watch", "Wait until tasks end; exit 0 when all succeeded."),
    "logs": ("logs", "Show what a worker's agent says and does."),
    "todos": ("todos", "Show the task list that an agent keeps."),
    "history": ("history", "Show how tasks ended, and what needs a person."),
    "show": ("show", "Show one task whole."),
    "tell": ("tell", "Tell the agent of a worker's task something."),
    "attach": ("console", "Look over an agent's shoulder, or open its session yourself."),
    "enter": ("console", "Open a shell or Claude in a worker's home."),
    "login": ("console", "Give a worker a Claude login of its own."),
    "follow": ("follow", "Send a change's failing checks and reviews back to its agent."),
    "release": ("issues", "Clear the claim and label of an issue nobody is at."),
    "stop": ("control", "Stop a worker's task; it can be restarted."),
    "restart": ("control", "Continue a stopped, crashed or waiting task."),
    "pause": ("pause", "Let nothing new be dispatched; what runs goes on."),
    "resume": ("pause", "Let tasks be dispatched again."),
    "recover": ("recover", "Bring crashed and waiting tasks back to work; --watch keeps doing it."),
    "why": ("why", "Show the evidence for a worker's state."),
    "rescue": ("rescue", "Look at kept work, and put it into a folder again."),
    "budget": ("budget", "Show what was spent, and how much of each budget is used."),
    "gc": ("gc", "List what ended tasks left and nobody needs; --yes deletes it."),
    "service": ("service", "Print a service that keeps recovering."),
    "reset": ("homes", "Free a worker whose task will not go on."),
    "refresh": ("homes", "Render credentials and templates again."),
    "update": ("update", "Upgrade the tool, then refresh every home."),
    "remove": ("homes", "Delete a worker's home."),
    "work": ("work", "Let idle workers take one issue after another."),
    "plan": ("plan", "Show what is to be done, and what waits for what."),
    "pull": ("pull", "Bring your working tree to what workers merged."),
    "ticket": ("ticket", "The embedded forge: issues beside a repository."),
    "project": ("project", "Make a repository ready for workers."),
    "golden": ("golden", "Keep what a home has learnt, and give it to others."),
    "host": ("host", "Name the machines that workers are on, and look at them."),
    "doctor": ("doctor", "Check this machine; --prove tries to break out."),
    "config": ("config", "Show every setting and where it comes from."),
    "path": ("config", "Show where things are kept."),
    "skill": ("skill", "Teach your own Claude Code to drive workers."),
    "completion": ("completion", "Print the completion for bash, zsh or fish."),
    "demo": ("demo", "See a whole task's life in a throw-away root."),
}


class Verbs(click.Group):
    """A group whose commands are imported when they are run or asked for help."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the verbs in the order people meet them."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import a verb."""
        if name not in VERBS:
            return None
        module = importlib.import_module(f"claude_workers.cli.{VERBS[name][0]}")
        command: click.Command = getattr(module, name)
        return with_globals(command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete verbs without importing them, and what else there is."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  start-up cost

        verbs = [CompletionItem(name, help=said) for name, (_, said) in VERBS.items() if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, meaning) for name, (_, meaning) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="claude-workers")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run several autonomous Claude Code agents, each in a home and an enclosure of its own.

    \b
    claude-workers init 01
    claude-workers dispatch 01 ./repo -p "Add a subtract function"
    claude-workers watch 01
    """
    ctx.ensure_object(Call)


with_globals(cli)


def main() -> None:
    """Run the command line and exit with the status that its outcome has."""
    sys.excepthook = _internal_error
    try:
        if "--wire" in sys.argv:
            _answer_over_the_wire()
        status = _run()
    except WorkersError as error:
        status = _told(error.code, error.message, error.remedy, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        status = 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "claude-workers"
        status = _told("usage", error.format_message().rstrip("."), f"see {path} --help", 2)
    except click.ClickException as error:
        status = _told("failed", error.format_message(), "", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except BrokenPipeError:
        # Whoever read our output has gone: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        status = _told("failed", f"{error.filename or 'system'}: {error.strerror or error}", "", 1)
    sys.exit(status if isinstance(status, int) else 0)


def _run() -> Any:  # noqa: ANN401
    try:
        return cli.main(standalone_mode=False, obj=Call())
    except Elsewhere as error:
        from claude_workers.cli.relay import relay  # noqa: PLC0415  start-up cost

        return relay(error.host, sys.argv[1:])


def _answer_over_the_wire() -> None:
    """Say from time to time that we live: who asks is on another machine, and its line may have died."""
    import threading  # noqa: PLC0415  start-up cost

    from claude_workers.hosts.wire import PULSE, SIGN, VERSION  # noqa: PLC0415

    spoken = sys.argv[sys.argv.index("--wire") + 1 : sys.argv.index("--wire") + 2]
    if not (spoken and spoken[0].isdigit() and int(spoken[0]) <= VERSION):
        raise Refused(f"wire {spoken} is not spoken here, only up to {VERSION}", "claude-workers update, on that host")

    def beat() -> None:
        waiting = threading.Event()
        try:
            while not waiting.wait(PULSE):
                sys.stdout.write("\n" if "--json" in sys.argv else f"{SIGN}\n")
                sys.stdout.flush()
        except OSError:
            os._exit(141)  # as SIGPIPE would: nobody listens any more

    threading.Thread(target=beat, daemon=True).start()


def _told(code: str, message: str, remedy: str, status: int) -> int:
    """Print an error as one line on stderr and, under --json, as an object on stdout."""
    message, remedy = (" ".join(text.split()) for text in (message, remedy))
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"claude-workers: {message}" + (f"; {remedy}" if remedy else ""), err=True)
        if "--json" in sys.argv:
            click.echo(json.dumps({"error": {"code": code, "message": message, "remedy": remedy}}))
    return status


def _internal_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:  # noqa: ANN401
    """Say a fault of ours in one line; the traceback only where it was asked for."""
    if "-v" in sys.argv or "--verbose" in sys.argv:
        sys.__excepthook__(kind, error, trace)
    else:
        text = " ".join(f"internal error: {kind.__name__}: {error}".split())
        _told("internal", text, "again with -v for the traceback", 1)
