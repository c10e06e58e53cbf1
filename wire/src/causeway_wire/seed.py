"""The seed: the one document that a fresh appliance is given before it can be spoken to.

It says who the appliance is, where it is managed and who may command it, and carries a single-use token to
prove that it is the machine that was deployed. No private key is in it: keys are born on the appliance.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from causeway_wire import codec
from causeway_wire.desired import Document, Management, Nic, Vlan
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, IPAddress, Pem, Secret, Timestamp, shaped

MAX_OCTETS = 16 * 1024
"""Longest seed. Carriers hold more; a seed that needs more is none of ours."""
VERSION = 1
LABEL = "CAUSEWAY"
"""Volume identifier of the seed's ISO 9660 image."""
FILE = "seed.json"
"""The seed's file on that image."""
CREDENTIAL = "causeway.seed"
"""The seed's name as a systemd credential, behind `guestinfo.`, and as an OVF property: there class and key
are apart in the descriptor and joined by a period in the environment (DSP0243 1.1, 9.5).
"""
OVF_CLASS, OVF_KEY = CREDENTIAL.split(".")
OVF_ENVIRONMENT = "ovf-env.xml"
"""The file with the OVF environment on the CD of the transport `iso` (DSP0243 1.1, 10.2)."""

_PRIVATE_KEY = b"PRIVATE KEY-----"

AuthorizedKey = Annotated[
    str,
    shaped(
        r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
        r" [A-Za-z0-9+/]{16,}={0,2}( [\x20-\x7e]*)?(?!\n)$",
        "an SSH key as ssh-keygen writes it into its .pub: kind, base64 and, if you like, a comment of ASCII "
        "characters",
        max_length=2048,
        description="a line of authorized_keys without options (sshd(8))",
    ),
]


class RoleName(StrEnum):
    """What the appliance will be; its documents decide, this is for whoever looks at its console."""

    PROVIDER = "provider"
    TENANT = "tenant"
    GATEWAY = "gateway"


class Enrolment(Document, frozen=True, kw_only=True):
    """What the appliance proves itself with, once."""

    token: Secret
    """Single use, 16 to 256 characters; the controller keeps its own copy until enrolment."""
    expires: Timestamp


class Seed(Document, frozen=True, kw_only=True):
    """First boot's envelope."""

    version: Literal[1]
    appliance: ApplianceId
    role: RoleName
    management: Management
    nics: tuple[Nic, ...]
    """Adapters with addresses, the management adapter or its trunk among them. Each must be there."""
    vlans: tuple[Vlan, ...] = ()
    controller_ca: Pem
    """Authority of the controllers' client certificates; PEM."""
    enrolment: Enrolment
    ssh_authorized_keys: tuple[AuthorizedKey, ...] = ()
    """Who may log in for diagnostics, on the management address."""
    time_servers: tuple[IPAddress, ...] = ()
    """NTP servers; the host's clock alone when there are none."""


class _Versioned(msgspec.Struct):
    """What every version of the seed has."""

    version: int


def decode(data: bytes) -> Seed:
    """The seed in this text; raises ProblemError whose pointer names the member that is wrong."""
    if len(data) > MAX_OCTETS:
        detail = f"the seed is longer than {MAX_OCTETS} octets; it was not made by a Causeway controller"
        raise ProblemError(problem(ProblemType.TOO_LARGE, detail))
    if _PRIVATE_KEY in data:
        detail = (
            "the seed holds a private key, which never belongs in one: treat that key as lost, replace it"
        )
        raise ProblemError(problem(ProblemType.INVALID, detail))
    version = codec.decode(data, _Versioned).version
    if version != VERSION:
        detail = f"the seed is of version {version}, this appliance reads {VERSION}; use the image that fits"
        raise ProblemError(problem(ProblemType.UNSUPPORTED, detail, pointer="/version"))
    return codec.decode(data, Seed)


def encode(seed: Seed) -> bytes:
    """The seed's canonical text, with its token; raises ProblemError when no appliance would read it."""
    data = codec.encode(seed)
    decode(data)
    return data


def token_digest(token: Secret) -> str:
    """Hex SHA-256 of a token: to remember that it was used without keeping it."""
    return hashlib.sha256(token.reveal().encode()).hexdigest()
