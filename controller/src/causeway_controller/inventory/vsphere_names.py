"""What the inventory calls things of a vSphere host: its endpoint and its switches. Pure.

All else is by the ids of vSphere's API (managed object ids, such as datastore-11 and network-7), which
`causeway host check` lists where one is not there. A switch is `dvs-7`, a distributed one, or `vswitch:NAME`,
a standard one, which has no id and is on every host of a cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from causeway_controller.inventory import host_names

_DISTRIBUTED: Final = re.compile(r"dvs-[0-9]{1,18}")
_STANDARD: Final = re.compile(r"vswitch:([A-Za-z0-9_.-]([A-Za-z0-9_. -]{0,29}[A-Za-z0-9_.-])?)")
_HTTPS: Final = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A distributed switch by its id, or a standard one by its name."""

    distributed: bool
    name: str


def endpoint(text: str) -> tuple[str, int]:
    """Return the host and port of this endpoint. Raises ValueError."""
    return host_names.endpoint(text, path="/sdk", what="vSphere", port=_HTTPS)


def switch(text: str) -> Switch:
    """Return the switch of this name. Raises ValueError."""
    if _DISTRIBUTED.fullmatch(text):
        return Switch(distributed=True, name=text)
    if (found := _STANDARD.fullmatch(text)) is not None:
        return Switch(distributed=False, name=found[1])
    raise ValueError(f"{text} is neither dvs-NUMBER, a distributed switch, nor vswitch:NAME, a standard one")
