"""`python -m causeway_agent.slots`: `serve` a request on standard input, `trial`, or `bless`."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
from pathlib import Path

from causeway_agent.slots import installing, machine, serving, signature, trial
from causeway_agent.slots.medium import Medium
from causeway_wire.problem import ProblemError

RUN_DIRECTORY = Path("/run/causeway")


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m causeway_agent.slots", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in (("serve", _serve), ("trial", _trial), ("bless", _bless), ("status", _status)):
        commands.add_parser(name).set_defaults(command=command)
    try:
        return int(parser.parse_args().command())
    except ProblemError as error:
        _say(str(error))
        return 1


def _look() -> tuple[installing.Here, Medium]:
    here, devices = machine.look()
    return here, Medium(machine.ESP, devices)


def _serve() -> int:
    serving.serve(socket.socket(fileno=0), _look, esp=machine.ESP, verify=signature.verify, restart=_restart)
    return 0


def _restart() -> None:
    _say("restarting into the other slot")
    subprocess.run(["systemctl", "--no-block", "reboot"], check=True)


def _trial() -> int:
    options = Path("/proc/cmdline").read_text()
    controller = trial.wants_controller(options)
    passed = trial.passes(
        lambda: trial.ask(RUN_DIRECTORY, controller=controller), until=trial.deadline(options), say=_say
    )
    if not passed:
        return 1
    # In a unit of its own, because only that may write to the EFI system partition.
    return subprocess.run(["systemctl", "start", "causeway-bless.service"], check=False).returncode


def _bless() -> int:
    here, disk = _look()
    news = installing.bless(disk, here)
    _say(f"slot {here.running} {'has proven good and starts from now on' if news else 'was good already'}")
    return 0


def _status() -> int:
    here, disk = _look()
    status = installing.status(disk, here)
    for one in status.slots:
        _say(f"slot {one.slot}: {one.state}, {one.version or 'no version known'}, build {one.build}")
    _say(f"running {status.running}, next {status.next}")
    return 0


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
