"""What is asked of hosts that have a machine for each worker: their use and cost, what is left over, their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.hostname import HOST
from claude_workers.errors import Refused, WorkersError
from claude_workers.hosts import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_workers.hosts.steps import Step
    from claude_workers.hosts.tables import Host
    from claude_workers.model import Json


def use(host: Host) -> Json:
    """Return how many machines a host has, how many are up, and what they cost; why that is not known, else."""
    from claude_workers.hosts import opened  # noqa: PLC0415  start-up cost
    from claude_workers.machines import costs  # noqa: PLC0415

    try:
        life = opened.housed(host).life
        machines = life.engine.machines()
    except WorkersError as error:
        return {"error": error.message, "code": error.code}
    spent = [{"span": span, "usd": round(usd, 4), "most": most} for span, usd, most in costs.uses(machines, life.terms)]
    up = sum(not one.down and one.state != "created" for one in machines)
    return {"machines": len(machines), "up": up, "spent": spent}


def spoken(found: Json | None) -> str:
    """Return a host's use in words, "" for one that is a machine itself."""
    if found is None:
        return ""
    if "error" in found:
        return str(found["error"])
    costs = [f"${one['usd']:.2f}{_of(one['usd'], one['most'])} this {one['span']}" for one in found["spent"]]
    return f"{found['up']} of {found['machines']} up; {', '.join(costs)}"


def _of(usd: float, most: float | None) -> str:
    from claude_workers.machines.costs import ALERT  # noqa: PLC0415  start-up cost

    if most is None:
        return ""
    warning = ", all of it" if usd >= most else f", {usd / most:.0%}" if usd >= ALERT * most else ""
    return f" of ${most:.2f}{warning}"


def provide(
    call: Call, host: Host, build: tuple[str | None, tuple[str, ...]] | None, *, dry_run: bool,
    show: Callable[[Call, Step], None],
) -> int:  # fmt: skip
    """Have what a host's machines are made of, and return the exit status.

    `build`: have the image made, from that base and with those words for the builder.
    """
    from claude_workers.hosts import provision, wheel  # noqa: PLC0415  start-up cost
    from claude_workers.machines.image import Build  # noqa: PLC0415

    made = wheel.build()
    wanted = Build(made.name, made.content, *build) if build else None
    steps = []
    for step in provision.carry_out(host, wanted, dry_run=dry_run):
        if step.state != "doing":
            steps.append(step)
        if not call.json:
            show(call, step)
    if call.json:
        print_json({"host": host.name, "dry_run": dry_run, "steps": [one.to_json() for one in steps]})
    return 1 if any(one.state in {"blocked", "failed"} for one in steps) else 0


def findings(host: Host) -> list[dict[str, str]]:
    """Return what a host of machines has and lacks, and which of its machines have an older image."""
    from claude_workers.hosts import opened, provision  # noqa: PLC0415  start-up cost

    states = {"there": "ok", "advised": "warning", "wanted": "warning"}
    steps = list(provision.carry_out(host, None, dry_run=True))
    found = [{"what": one.what, "state": states.get(one.state, "failed"), "said": one.said, "remedy": one.remedy}
             for one in steps]  # fmt: skip
    if any(one.state == "blocked" or (one.what == "app" and one.state == "wanted") for one in steps):
        return found
    machines = opened.housed(host).life.engine.machines()
    older = [one.worker for one in machines if host.digest and one.digest and one.digest != host.digest]
    said = f"{len(machines)} machines" + (f"; an older image have {', '.join(older)}" if older else "")
    mend = "they get the newer one with their next task" if older else ""
    return [*found, {"what": "machines", "state": "warning" if older else "ok", "said": said, "remedy": mend}]


@click.command()
@click.argument("name", metavar="NAME", type=HOST)
@click.option("--yes", is_flag=True, help="Delete it.")
@click.pass_obj
def sweep(call: Call, name: str, *, yes: bool) -> None:
    """Say what is left over on a host and no worker owns: volumes without a machine, machines without a volume.

    A volume may hold work: `init` of its worker takes it up again. Nothing is deleted without --yes.

    \b
    claude-workers host sweep fly
    claude-workers host sweep fly --yes
    """
    from claude_workers.hosts import opened  # noqa: PLC0415  start-up cost

    engine = opened.housed(registry.find(name)).life.engine
    found = engine.leftovers()
    for one in found if yes else ():
        engine.delete(one)
    if call.json:
        print_json({"host": name, "deleted": yes, "leftovers": [one.to_json() for one in found]})
        return
    for one in found:
        click.echo(f"{'deleted' if yes else 'left over'}: {one.kind} {one.name} ({one.id}): {one.why}")
    if not found:
        click.echo(f"nothing is left over on {name}")
    elif not yes:
        click.echo(f"to delete: claude-workers host sweep {name} --yes")


def destroy_workers(name: str, *, discard: bool) -> list[str]:
    """Remove every worker of a host as `remove` does, work first; Refused, and nothing gone, where one cannot be."""
    from claude_workers.hosts import opened  # noqa: PLC0415  start-up cost

    there = opened.housed(registry.find(name))
    rows = there.status([])
    # One that was never started has nothing; of every other one that is not idle nobody knows what it has.
    empty = {one.worker for one in there.life.engine.machines() if one.state == "created"}
    left = [row.address for row in rows if row.state != "idle" and row.worker not in empty]
    if left and not discard:
        raise Refused(
            f"{', '.join(left)} may have work", "look at status, stop and reset them, or --discard their work"
        )
    for row in rows:
        click.echo(f"  {row.address} ...", err=True)
        if row.worker in empty or row.state == "unknown":
            there.life.engine.destroy(there.machine(row.worker))
        else:
            answer = there.ask("remove", row.worker, *(["--discard"] if discard else []))
            for one in answer["brought"]:
                click.echo(f"  its work is kept in {one}", err=True)
    return [row.worker for row in rows]
