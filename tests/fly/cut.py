"""The cut: Fly's own API description with only the operations we use, closed: what it does not name is wrong.

Source: https://docs.machines.dev/spec/openapi3.json, as it was on 2026-05-07.
python -m tests.fly.cut openapi3.json tests/fly/description.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.github import cut as github

_OPERATIONS = """
post /apps
get /apps/{app_name}
get post /apps/{app_name}/machines
get post delete /apps/{app_name}/machines/{machine_id}
post /apps/{app_name}/machines/{machine_id}/start
post /apps/{app_name}/machines/{machine_id}/stop
get /apps/{app_name}/machines/{machine_id}/wait
post /apps/{app_name}/machines/{machine_id}/exec
post delete /apps/{app_name}/machines/{machine_id}/lease
patch /apps/{app_name}/machines/{machine_id}/metadata
get post /apps/{app_name}/secrets
delete /apps/{app_name}/secrets/{secret_name}
get post /apps/{app_name}/volumes
delete /apps/{app_name}/volumes/{volume_id}
"""
_CONFIG = {"$ref": "#/components/schemas/fly.MachineConfig"}
# What the description does not say must be there, and Fly's documents do.
_REQUIRED = {
    "CreateAppRequest": ["name", "org_slug"],
    "CreateMachineRequest": ["name", "region", "config"],
    "UpdateMachineRequest": ["config", "current_version"],
    "fly.MachineConfig": ["image", "guest", "restart"],
    "CreateVolumeRequest": ["name", "region", "size_gb"],
    "MachineExecRequest": ["command", "timeout"],
    "StopRequest": ["signal", "timeout"],
    "CreateLeaseRequest": ["ttl"],
    "updateMetadataRequest": ["metadata"],
    "AppSecretsUpdateRequest": ["values"],
}


def cut(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the description that our operations reach, closed."""
    paths = {}
    for line in _OPERATIONS.strip().splitlines():
        *methods, path = line.split()
        paths[path] = {method: whole["paths"][path][method] for method in methods}
    schemas = whole["components"]["schemas"]
    for name in ("CreateMachineRequest", "UpdateMachineRequest"):
        schemas[name]["properties"]["config"] = _CONFIG
    part: dict[str, Any] = {"openapi": whole["openapi"], "paths": github.clean(paths), "components": {"schemas": {}}}
    waiting = set(github.references(part["paths"]))
    while waiting:
        name = waiting.pop().rpartition("/")[2]
        if name not in part["components"]["schemas"]:
            found = _closed(github.clean(schemas[name]))
            part["components"]["schemas"][name] = {**found, "required": _REQUIRED[name]} if name in _REQUIRED else found
            waiting |= set(github.references(found))
    part["components"]["schemas"] = dict(sorted(part["components"]["schemas"].items()))
    return part


def _closed(node: Any) -> Any:
    """Return a schema in which no object may have what is not named."""
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _closed(value) for key, value in node.items()}
    if isinstance(kept.get("properties"), dict) and kept.get("type") == "object":
        kept.setdefault("additionalProperties", False)
    return kept


if __name__ == "__main__":
    text = json.dumps(cut(json.loads(Path(sys.argv[1]).read_text("utf-8"))), indent=1, sort_keys=True)
    Path(sys.argv[2]).write_text(text + "\n", encoding="utf-8")
