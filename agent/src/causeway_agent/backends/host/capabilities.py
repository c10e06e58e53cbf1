"""What this machine can do, found out once at the start."""

from __future__ import annotations

import os
import re
from pathlib import Path

from causeway_wire.observed import Capabilities

_MODULES = Path("/lib/modules")
_LOADED = Path("/sys/module")


def detect(*, vlan_8021q: bool, unprivileged_vpn: bool) -> Capabilities:
    """The capabilities of the running kernel: loaded, built in, or there to be loaded.

    Whether it makes VLANs decides what is refused, so that the kernel itself was asked (`rtnl_l2`).
    """
    release = os.uname().release
    known = _listed(_MODULES / release / "modules.builtin") | _listed(_MODULES / release / "modules.dep")
    return Capabilities(
        kernel=release,
        vlan_8021q=vlan_8021q,
        wireguard=_has("wireguard", known),
        # `ovpn` is the module of Linux 6.16 and later, `ovpn-dco-v2` the one packaged before.
        openvpn_dco=_has("ovpn", known) or _has("ovpn-dco-v2", known),
        vrf=_has("vrf", known),
        unprivileged_vpn=unprivileged_vpn,
    )


def _has(module: str, known: frozenset[str]) -> bool:
    name = module.replace("-", "_")
    return name in known or (_LOADED / name).exists()


def _listed(path: Path) -> frozenset[str]:
    """Module names in a list of depmod(8), one path per line; what follows a colon are others it needs."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    return frozenset(
        name.replace("-", "_")
        for name in re.findall(r"^(?:[^:\n]*/)?([^/:\n]+?)\.ko[.:\s]", text, re.MULTILINE)
    )
