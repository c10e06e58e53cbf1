"""What other programs of the machine read from the settings, made anew at every boot below /run.

Only the settings survive a boot, so nothing can disagree with them, and an exchanged system partition finds
everything.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from causeway_agent.settings import Settings

STATUS = "first-boot"
"""File in the run directory with the last sentence of first boot, for the console's page."""
SSHD = "sshd.conf"
AUTHORIZED_KEYS = "authorized_keys"
TIMESYNCD = Path("/run/systemd/timesyncd.conf.d/causeway.conf")
HEAD = "# Made at boot from the appliance's settings.\n"


def sshd(settings: Settings) -> str:
    """sshd_config(5): SSH answers on the management address and nowhere else."""
    management = settings.management
    host = f"[{management.address}]" if management.address.version == 6 else str(management.address)  # noqa: PLR2004
    keys = Path(settings.run_directory) / AUTHORIZED_KEYS
    return (
        f"{HEAD}ListenAddress {host}:{management.ssh_port}\nAuthorizedKeysFile {keys} .ssh/authorized_keys\n"
    )


def authorized_keys(settings: Settings) -> str:
    """sshd(8), AUTHORIZED_KEYS FILE FORMAT."""
    return "".join([HEAD, *(f"{key}\n" for key in settings.ssh_authorized_keys)])


def timesyncd(settings: Settings) -> str:
    """timesyncd.conf(5)."""
    return f"{HEAD}[Time]\nNTP={' '.join(map(str, settings.time_servers))}\n"


def render(settings: Settings) -> None:
    """Write what SSH reads; raises OSError."""
    directory = Path(settings.run_directory)
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    publish(directory / SSHD, sshd(settings), mode=0o600)
    publish(directory / AUTHORIZED_KEYS, authorized_keys(settings), mode=0o600)


def render_machine(settings: Settings) -> None:
    """Name the machine and say whom to ask for the time; raises OSError. Not for a part of a machine."""
    socket.sethostname(settings.appliance)
    TIMESYNCD.parent.mkdir(parents=True, exist_ok=True)
    # The clock's program is not root, and the umask of this one is strict.
    TIMESYNCD.parent.chmod(0o755)
    publish(TIMESYNCD, timesyncd(settings), mode=0o644)


def publish(path: Path, text: str, *, mode: int) -> None:
    """Replace a file that need not survive a power cut; raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    beside.replace(path)
