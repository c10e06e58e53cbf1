"""Whether OpenVPN left a tunnel's packets to the kernel, as it was meant to (decision 46).

It decides when it starts, and tells it in its output only. When it declines it goes on with a tun device of
its own under the name of the kernel's, which is no part of any target: such a process must not live.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from causeway_agent.backends.processes import spawn

UNTOLD: Final = "OpenVPN did not have the kernel make the tunnel's device"
_TIME: Final = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:us=\d+ )?")
_ITS_OWN: Final = r"(?:\w+: )?[^:=\[]*"
"""How a line begins that tells nothing of the far end's: that is in brackets, behind `NAME=` or a colon."""
_OPENED: Final = _ITS_OWN + "DCO device {} opened"
_DECLINES: Final = re.compile(
    f"{_ITS_OWN}(?:disabl(?:es|ing) data channel offload|cannot open DCO device"
    r"|cannot find ovpn\S* netlink component)",
    re.IGNORECASE,
)
"""Words of src/openvpn/dco.c, dco_linux.c and tun.c, 2.6 and 2.7."""
_HEAD: Final = 1 << 16
"""Octets of the output; all of it is told before anybody connects."""
_LONGEST: Final = 200


def once_up(directory: Path, device: str) -> str | None:
    """Why the process in this directory, just started and listening or connected, keeps the packets itself;
    None when the kernel carries them.
    """
    told = _told(directory)
    opened = re.compile(_OPENED.format(re.escape(device)))
    if any(opened.match(line) for line in told):
        return None
    return _reason(told) or UNTOLD


def once_ended(directory: Path) -> str | None:
    """Why the process that ended in this directory would not, or could not, leave packets to the kernel; None
    when that is not what it said.
    """
    return _reason(_told(directory))


def _reason(told: list[str]) -> str | None:
    for line in told:
        if _DECLINES.match(line):
            return f"OpenVPN: {line.removeprefix('Note: ')}"[:_LONGEST]
    return None


def _told(directory: Path) -> list[str]:
    try:
        with (directory / spawn.OUTPUT).open("rb") as file:
            told = file.read(_HEAD).decode(errors="replace").split("\n")
    except OSError:
        return []
    return [_TIME.sub("", line) for line in told]
