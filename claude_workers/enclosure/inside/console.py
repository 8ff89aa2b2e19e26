"""The first program on a terminal inside an enclosure: makes it its own, then becomes what a person asked for.

Run as `python -I -S console.py PROGRAM [ARG...]` with a terminal as standard input.
"""

import contextlib
import fcntl
import os
import sys
import termios


def main() -> None:
    """Lead a session with this terminal, so that keys such as Ctrl-C act here, and execute the program."""
    with contextlib.suppress(OSError):
        os.setsid()  # bubblewrap's --new-session may have done so
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


main()
