"""The escapes that are one script: tried inside the enclosure, and outside as the control."""

from __future__ import annotations

_CONNECT = '"$PY" -I -c "import socket,os; s=socket.socket({family}); s.settimeout(4); s.connect({place}); {then}"'
_SAY = "print(os.environ['SIGN'])"


def _connect(place: str, *, family: str = "", then: str = _SAY) -> str:
    return _CONNECT.format(place=place, family=family, then=then)


_LOOPBACK = "('127.0.0.1', int(os.environ['PORT']))"
_UNIX = "socket.AF_UNIX"
_DATAGRAM = "socket.AF_INET, socket.SOCK_DGRAM"
_ASK = "s.sendall(b'x\\n'); assert s.recv(9); " + _SAY
_PROXY = """"$PY" -I -c "
import os, socket, urllib.parse
proxy = urllib.parse.urlsplit(os.environ.get('HTTPS_PROXY', ''))
place = (proxy.hostname, proxy.port) if proxy.hostname else ('127.0.0.1', int(os.environ['PORT']))
s = socket.create_connection(place, 4); s.settimeout(4)
s.sendall(b'{request}')
answer = s.recv(200)
print(os.environ['SIGN'] if b' 403 ' not in answer.split(b'\\r\\n')[0] else answer)
" """


def _proxied(request: str) -> str:
    return _PROXY.format(request=request + " HTTP/1.1\\r\\n\\r\\n")


# The one thing that a sandbox nested inside needs, and so level double leaves open.
OWN_NAMESPACE = "enter a user namespace of its own"

SCRIPTS: list[tuple[str, str]] = [
    ("read a sibling's home", 'grep -q "$SECRET" "$OTHER/secret" && echo $SIGN'),
    ("write into a sibling's home", 'echo x > "$OTHER/planted" && echo $SIGN'),
    ("list the root of homes", 'ls "$OTHER/.." | grep -q 02 && echo $SIGN'),
    ("read a file in the operator's home", 'grep -q "$SECRET" "$CANARY" && echo $SIGN'),
    ("read the operator's ssh folder's parent", 'ls -A "$(dirname "$CANARY")" | grep -q prove- && echo $SIGN'),
    ("read the worker's own task file", 'grep -q task_id "$OWN/task.json" && echo $SIGN'),
    ("read the worker's own secrets file", '[ -e "$OWN/.env" ] && echo $SIGN'),
    ("read an earlier task's receipt", 'grep -q "$SECRET" "$OWN/runs/earlier-task/receipt.json" && echo $SIGN'),
    ("read what /etc keeps from other users", "grep -q root: /etc/shadow && echo $SIGN"),
    ("overwrite the system's configuration", "[ -w /etc/passwd ] && touch /etc/passwd && echo $SIGN"),
    ("set a kernel switch", "exec 3>>/proc/sys/kernel/core_pattern && echo $SIGN"),
    ("write our bare repository", 'touch "$BARE/planted" && rm "$BARE/planted" && echo $SIGN'),
    ("replace the worker's settings", 'cd "$OWN/.claude" && cp settings.json s && mv s settings.json && echo $SIGN'),
    ("replace the worker's instructions", 'cd "$OWN/.claude" && cp CLAUDE.md c && mv c CLAUDE.md && echo $SIGN'),
    ("find a process of the host in /proc", 'grep -qa "$SECRET" "/proc/$SLEEPER/environ" && echo $SIGN'),
    ("signal a process of the host", 'grep -qa sleep "/proc/$SLEEPER/cmdline" && kill -0 "$SLEEPER" && echo $SIGN'),
    ("reach this machine's loopback", _connect(_LOOPBACK, then=_ASK)),
    ("reach an unlisted address through the proxy", _proxied("CONNECT 127.0.0.1:' + os.environ['PORT'].encode() + b'")),
    ("reach an unlisted name through the proxy", _proxied("CONNECT unlisted.example:443")),
    ("reach the metadata address through the proxy", _proxied("GET http://169.254.169.254/")),
    ("find a route to the metadata address", _connect("('169.254.169.254', 80)", family=_DATAGRAM)),
    ("find a route to a name server", _connect("('192.0.2.53', 53)", family=_DATAGRAM)),
    ("connect to a unix socket of the host", _connect("os.environ['SOCKET']", family=_UNIX)),
    ("connect to an abstract socket of the host", _connect("chr(0) + os.environ['SECRET']", family=_UNIX)),
    (OWN_NAMESPACE, "unshare --user --map-root-user true && echo $SIGN"),
]  # fmt: skip
