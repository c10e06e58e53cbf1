"""What this machine can do.

Who carries a tunnel's packets is decided by it at the start (`no_offload`): the kernel's module, an OpenVPN
that knows it. The rest is told to who asks.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from causeway_wire.observed import Capabilities

_MODULES = Path("/lib/modules")
_LOADED = Path("/sys/module")
COMMAND: tuple[str, ...] = ("openvpn", "--version")
OVPN = "ovpn"
"""The module of Linux 6.16 and later; OpenVPN 2.7 knows no older one."""
OLDEST = (2, 7)
_PATIENCE = 10.0
"""Seconds; it says so at once, but for a machine that is emulated and busy."""


def detect(*, vlan_8021q: bool, no_offload: str | None, unprivileged_vpn: bool) -> Capabilities:
    """The capabilities of the running kernel: loaded, built in, or there to be loaded; and OpenVPN's version.
    Blocks while OpenVPN answers.

    Whether it makes VLANs decides what is refused, so that the kernel itself was asked (`rtnl_l2`), and
    `no_offload` is what the agent started with.
    """
    known = _known()
    return Capabilities(
        kernel=os.uname().release,
        vlan_8021q=vlan_8021q,
        wireguard=_has("wireguard", known),
        openvpn_dco=_has(OVPN, known),
        openvpn=_version(_openvpn()),
        no_offload=no_offload,
        vrf=_has("vrf", known),
        unprivileged_vpn=unprivileged_vpn,
    )


def no_offload() -> str | None:
    """Why this machine's kernel cannot carry tunnels' packets; None where it can. Blocks while OpenVPN
    answers, where it must be asked.
    """
    known = _known()
    # Where there is no module, OpenVPN need not be asked.
    return _no_offload(known, _openvpn() if _has(OVPN, known) else "")


def _no_offload(known: frozenset[str], told: str) -> str | None:
    if not _has(OVPN, known):
        return f"no kernel module {OVPN}"
    if not _works(OVPN):
        # OpenVPN would make a tun device of its own instead, which is no part of any target.
        return f"the kernel module {OVPN} is not loaded"
    version = _version(told)
    if version is None:
        return "OpenVPN does not tell its version"
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        return f"OpenVPN {version} is older than {OLDEST[0]}.{OLDEST[1]}"
    if "[DCO]" not in told.partition("\n")[0]:
        return f"OpenVPN {version} was built without data channel offload"
    return None


def _openvpn() -> str:
    """What OpenVPN tells about itself, version and build first; nothing where it is not there."""
    try:
        done = subprocess.run(
            COMMAND, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _version(told: str) -> str | None:
    """OpenVPN's version, in its own words; None where it does not say."""
    found = re.match(r"OpenVPN (\d[\w.~+-]{0,31})\s", told)
    return None if found is None else found[1]


def _known() -> frozenset[str]:
    """Modules that are built in, or there to be loaded."""
    place = _MODULES / os.uname().release
    return _listed(place / "modules.builtin") | _listed(place / "modules.dep")


def _works(module: str) -> bool:
    """Whether it is loaded, or built in: what is there to be loaded may be refused, and we load none."""
    built_in = _listed(_MODULES / os.uname().release / "modules.builtin")
    return (_LOADED / module).exists() or module in built_in


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
