"""Waits until a moment of CLOCK_BOOTTIME, then becomes another program. Run by path, with `python -I -S`.

    dead_man_waiter.py MOMENT PROGRAM ARGUMENT...

It outlives whoever started it and knows nothing but the clock, which runs on while the machine sleeps
(clock_gettime(2)). Standard library only, and little of it: it may wait for an hour.
"""

import os
import sys
import time

LONGEST_SLEEP = 1.0
"""Seconds between two looks at the clock: a sleep does not count the time the machine slept."""


def main(moment: float, program: tuple[str, ...]) -> None:
    """Does not return."""
    while (left := moment - time.clock_gettime(time.CLOCK_BOOTTIME)) > 0:
        time.sleep(min(left, LONGEST_SLEEP))
    os.execv(program[0], program)  # noqa: S606 - no shell in between is the point


if __name__ == "__main__":
    main(float(sys.argv[1]), tuple(sys.argv[2:]))
