"""`python -m pdp.service.worker SOCKET READY`: one of several serving processes, started by `supervisor`.

Its settings come as one line of standard input; when standard input ends, the supervisor is gone, and so goes
the worker. Started anew rather than forked, so that it shares no thread, lock or random pool with another.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from pdp.service.serve import serve, to_stderr
from pdp.settings import Settings


def main() -> int:
    """Serve on the inherited socket; say when ready on the inherited pipe."""
    # The supervisor waits for these and has them blocked, which is inherited. `serve` sees to SIGHUP.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
    # Ctrl-C goes to the whole group; the supervisor passes on what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening = socket.socket(fileno=int(sys.argv[1]))
    ready = int(sys.argv[2])
    to_stderr()
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()

    def say(rules: int) -> None:
        os.write(ready, b"%d\n" % rules)
        os.close(ready)

    return serve(settings, listening, say)


def _end_with_the_supervisor() -> None:
    # Not through the buffer: its lock would be held when the interpreter ends, which is fatal to it.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
