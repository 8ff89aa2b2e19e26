"""The first program inside an enclosure: hands its loopback listeners out, then becomes the agent.

Run as `python -I -S enter.py FD PORT[,PORT...] PROGRAM [ARG...]`. FD is one end of a socket pair
whose other end is outside: a listening socket keeps the network namespace it was made in, so the
gate outside can serve this side without any process of ours staying here.
"""

import os
import socket
import sys


def main() -> None:
    """Listen on each port, send the sockets out, and execute the program."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    listeners = []
    for port in sys.argv[2].split(","):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen(128)
        listeners.append(listener)
    socket.send_fds(channel, [b"."], [one.fileno() for one in listeners])
    channel.close()
    try:
        os.execvp(sys.argv[3], sys.argv[3:])
    except OSError as error:
        print(f"{sys.argv[3]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


main()
