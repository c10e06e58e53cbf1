"""Why a fault is not tried on a kind of host here: it cannot occur there, or it is tried elsewhere."""

from __future__ import annotations

from typing import Final

_ELSEWHERE: Final = {
    "vsphere": "tried in tests/vsphere",
    "hyperv": "tried in tests/hyperv",
}
_KEYS: Final = {
    "lab": "its server is a socket of this machine",
    "vsphere": "it is known by a pin or the system's authorities, which tests/vsphere tries",
    "hyperv": "it is known by a pin or the system's authorities, which tests/hyperv tries",
}
_FIRMWARE: Final = {
    "lab": "its machines are namespaces, without firmware",
    "vsphere": "the OVA says which firmware, and the host keeps its variables",
    "hyperv": "generation 2 is UEFI, and the host keeps its variables",
}
_HANGS: Final = {
    "lab": "its server is a process of this machine",
    "vsphere": "unit tests of its session: nobody waits for 90 s here",
    "hyperv": "unit tests of its session: nobody waits for 90 s here",
}
_SENT_EACH: Final = {
    "lab": "nothing is uploaded to it",
    "vsphere": "it is sent the disk for each appliance",
}
_NO_SSH: Final = dict.fromkeys(("lab", "vsphere", "hyperv"), "it has no such way")
WHY: Final = {
    "none": {"lab": "every other row begins with one", **_ELSEWHERE},
    "host full, while uploading": {
        "lab": "nothing is uploaded to it",
        "hyperv": "its counterpart only tells of room; it is full when the VM is made",
    },
    "host full, when the VM is made": {
        "lab": "a machine takes room when it starts, which is refused",
        "libvirt": "the definition takes none of the pool's room",
        "vsphere": "the VM is there before its disk is sent",
    },
    "writes lost, and no word of it": {
        "lab": "it has no disks",
        "vsphere": "the simulator keeps no disk that could differ from what was sent",
        "hyperv": "tried in tests/hyperv: the host's SHA-256 is compared",
    },
    "a domain of somebody else's": {"lab": "its replicas are of its own world", **_ELSEWHERE},
    "vNICs changed meanwhile": {"lab": "it wires a machine anew at each start", **_ELSEWHERE},
    "guest that does not listen": {
        "lab": "an agent ends when it is told to",
        "vsphere": "the simulator's guests end at once",
        "hyperv": "tried in tests/hyperv",
    },
    "controller killed": {
        "lab": "the row 'half made' has it",
        "vsphere": "the row 'half made' has it",
        "hyperv": "tried in tests/hyperv, at each cmdlet",
    },
    "host hangs": _HANGS,
    "TLS: wrong authority, name, or client": _KEYS,
    "TLS: another host in its place": _KEYS,
    "image kept there": _SENT_EACH,
    "image kept, many at once": _SENT_EACH,
    "image kept, two controllers": _SENT_EACH,
    "image half sent, controller killed": _SENT_EACH,
    "image kept, and damaged": _SENT_EACH,
    "image kept of another version": _SENT_EACH,
    "image kept: no room for it": _SENT_EACH,
    "image half copied, service killed": {**_SENT_EACH, "hyperv": "tried in tests/hyperv, at each cmdlet"},
    "over SSH": _NO_SSH,
    "SSH: unknown, exchanged host": _NO_SSH,
    "SSH: a user who has no key there": _NO_SSH,
    "SSH: lost in the middle of an upload": _NO_SSH,
    "variables of UEFI": _FIRMWARE,
    "host without UEFI": _FIRMWARE,
    "a host of another kind beside it": {"lab": "a world of the lab is one host"},
    "tenant on another kind of host": {"lab": "its replicas are of its own world: tests/kernel"},
}
"""By fault and kind."""


def why(kind: str, fault: str) -> str | None:
    """Return it; None where nobody has said."""
    return WHY.get(fault, {}).get(kind)
