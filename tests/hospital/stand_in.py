"""The command line in a process of its own, with a fast cascade: `python -m tests.hospital.stand_in listen ...`.

STAND_IN_SECONDS slows an estimate down, so that a test can end the process in the midst of one; STAND_IN_COUNT names a
file to which each estimate adds a line.
"""

import os
import sys
import time
from pathlib import Path

from boneage import cli
from boneage.commands import listen
from tests.hospital.films import cascade


def slow_cascade(_uri):
    one = cascade()
    estimate = one.estimate_prepared

    def counted(*arguments):
        if name := os.environ.get("STAND_IN_COUNT"):
            with Path(name).open("a") as file:
                file.write("estimate\n")
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
        return estimate(*arguments)

    one.estimate_prepared = counted
    return one


if __name__ == "__main__":
    listen.open_cascade = slow_cascade
    sys.exit(cli.main(sys.argv[1:]))
