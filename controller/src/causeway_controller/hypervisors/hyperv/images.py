r"""The appliance's image, kept once in the folder of appliances; the host copies each disk of it. Blocking.

It is FOLDER\causeway-image-SHA256.vhdx. It is copied in the folder of an attempt and has its name only then,
by a rename: so it is whole. Whether it still is what it was, the host says of each disk that it copied.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Final

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.hyperv.binding import CmdletError
from causeway_controller.hypervisors.hyperv.files import TakenError
from causeway_controller.hypervisors.hyperv.place import Place

PREFIX: Final = "causeway-image-"
_SUFFIX: Final = ".vhdx"
_PART: Final = "image.vhdx"
"""What it is called in an attempt's folder."""
_ATTEMPT: Final = re.compile(r".+-[0-9a-f]{8}")


def find(place: Place, digest: str) -> bool:
    """Whether the image of this digest is there."""
    return any(entry.name == _name(digest) for entry in place.folder.entries())


def copy(place: Place, digest: str, *parts: str) -> bool:
    """Have the host make this file of the image; whether there was one. Raises HypervisorError."""
    try:
        _copy(place, (_name(digest),), parts)
    except CmdletError:
        if find(place, digest):
            raise
        return False
    return True


def keep(place: Place, digest: str, attempt: str, disk: str) -> None:
    """Have the host keep the disk of this attempt as the image, unless it has one or cannot."""
    with contextlib.suppress(CmdletError, TakenError):
        _copy(place, (attempt, disk), (attempt, _PART))
        place.folder.rename((attempt, _PART), _name(digest))
    place.folder.delete(attempt, _PART)


def let_go(place: Place, digest: str) -> None:
    """Delete the image of this digest, which is not what it was."""
    place.folder.delete(_name(digest))


def remove_others(place: Place, digest: str, before: Callable[[], float]) -> None:
    """Delete images of other digests that were made before (seconds of the host's clock).

    One that is being copied stays.
    """
    others = [one for one in place.folder.entries() if _is_image(one.name) and one.name != _name(digest)]
    if not others:
        return  # and the host need not be asked for its time
    moment = before()
    for entry in others:
        if entry.made < moment:
            with contextlib.suppress(HypervisorError):
                place.folder.delete(entry.name)


def remove_unneeded(place: Place) -> None:
    """Delete all images, if there is neither an appliance nor an attempt to make one."""
    entries = place.folder.entries()
    if any(entry.directory and _ATTEMPT.fullmatch(entry.name) for entry in entries):
        return
    for entry in entries:
        if _is_image(entry.name):
            with contextlib.suppress(HypervisorError):
                place.folder.delete(entry.name)


def _copy(place: Place, source: tuple[str, ...], target: tuple[str, ...]) -> None:
    place.login.run(
        ("Copy-Item", {"LiteralPath": place.path(*source), "Destination": place.path(*target)}),
    )


def _name(digest: str) -> str:
    return f"{PREFIX}{digest}{_SUFFIX}"


def _is_image(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(_SUFFIX)
