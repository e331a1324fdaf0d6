"""Run a command for as long as stdin stays open.

The parent holds the other end of stdin, so the command dies with it, even if the parent is killed
or crashes: a test worker that goes down with a segmentation fault leaves no server behind.
"""

import os
import subprocess
import sys
import threading


def main() -> int:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def kill_when_parent_is_gone() -> None:
        os.read(0, 1)
        child.kill()

    threading.Thread(target=kill_when_parent_is_gone, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    os._exit(main())  # not sys.exit: the thread may still be reading
