"""The system-call filter: what namespaces do not cover is refused with EPERM.

The kernel's keyrings belong to the operator's session, vsock sockets to the machine, and the rest
are wide doors into the kernel that no build or test needs. Classic BPF: seccomp(2), linux/filter.h.
"""

from __future__ import annotations

import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000
_AF_VSOCK = 40
_SAME_EVERYWHERE = (425, 426, 427, 438)  # io_uring_setup, _enter, _register; pidfd_getfd

# add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd; then socket
_MACHINES: dict[str, tuple[int, tuple[int, ...], int]] = {
    "x86_64": (0xC000003E, (248, 249, 250, 321, 298, 323), 41),
    "aarch64": (0xC00000B7, (217, 218, 219, 280, 241, 282), 198),
}


def program() -> bytes | None:
    """Return the filter for this machine, as bubblewrap's --seccomp takes it; None for an unknown one."""
    known = _MACHINES.get(platform.machine())
    if known is None:
        return None
    architecture, numbers, socket = known
    refused = (*numbers, *_SAME_EVERYWHERE)
    # Jumps count the instructions they leap over; the last two are: allow, refuse.
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 0, len(refused) + 6, architecture), (_LOAD, 0, 0, _NUMBER)]
    code.append((_AT_LEAST, len(refused) + 4, 0, _X32))
    code += [(_EQUAL, len(refused) - index + 3, 0, number) for index, number in enumerate(refused)]
    code += [(_EQUAL, 0, 2, socket), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 1, 0, _AF_VSOCK)]
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("HBBI", *one) for one in code)
