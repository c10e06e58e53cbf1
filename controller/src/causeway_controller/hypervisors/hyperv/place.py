r"""Where appliances are put: a folder of the host's own disk, and the share by which it is reached. Blocking.

The cmdlets take the host's local path, SMB that of a share. Which share it is the host says itself: the
deepest one that has the folder in it, a made one before an administrative one such as `D$`.
"""

from __future__ import annotations

import ntpath
from dataclasses import dataclass
from typing import Any, Final

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.hyperv.binding import CmdletError, Login, Row
from causeway_controller.hypervisors.hyperv.files import Folder
from causeway_controller.inventory import hyperv_names

_EVERY_SCOPE: Final = "*"
"""Of a share that is the host's own, not one of a cluster's file servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A host's folder of appliances."""

    login: Login
    local: str
    """As the host's cmdlets take it."""
    folder: Folder
    above: str
    """The directory that the folder is in, which must be there, by SMB."""

    def path(self, *parts: str) -> str:
        """Return the host's local path of something in the folder."""
        return ntpath.join(self.local, *parts)


def find(login: Login, host: Host) -> Place:
    """Return the place. Raises HypervisorError where it is not reached by any share."""
    directory = hyperv_names.directory(host.storage.id)
    if login.root is None:
        login.root = _shared(login, directory)
    root = ntpath.join(login.root, host.folder)
    return Place(
        login=login,
        local=ntpath.join(directory, host.folder),
        folder=Folder(login.endpoint, login.files, root=root),
        above=login.root,
    )


def _shared(login: Login, directory: str) -> str:
    try:
        shares = login.run(
            ("Get-SmbShare", {}),
            ("Select-Object", {"Property": ["Name", "Path", "ScopeName", "Special"]}),
        )
    except CmdletError as error:
        raise HypervisorError(f"this login may not list the shares: {error}") from error
    found = [
        (not one["Special"], len(one["Path"]), one)
        for one in shares
        if one["ScopeName"] == _EVERY_SCOPE and _holds(one["Path"], directory)
    ]
    if not found:
        there = ", ".join(f"{one['Name']} ({one['Path']})" for one in shares if one["Path"]) or "none"
        raise HypervisorError(
            f"no share of the host has {directory} in it; there is {there}; share that folder"
        )
    _, _, best = max(found, key=lambda one: one[:2])
    below = directory[len(best["Path"].rstrip("\\")) :]
    return rf"\\{login.endpoint.host}\{best['Name']}{below}"


def _holds(path: Any, directory: str) -> bool:
    if not isinstance(path, str) or not path:
        return False
    above = path.rstrip("\\").lower() + "\\"
    return (directory.lower() + "\\").startswith(above)


def vm_rows(login: Login) -> list[Row]:
    """Return all VMs that this login sees."""
    names = ["Id", "Name", "State", "Notes", "Path", "Heartbeat"]
    return login.run(("Get-VM", {}), ("Select-Object", {"Property": names}))
