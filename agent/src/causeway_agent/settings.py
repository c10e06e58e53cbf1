"""Settings: one JSON file, read once, before the machine is touched.

The file is what first boot leaves behind: who this appliance is, who may command it, and how to find its
adapters before any document arrived. It holds no private key.
"""

from __future__ import annotations

from pathlib import Path

from causeway_agent.errors import SettingsError
from causeway_wire import codec
from causeway_wire.desired import Document, Management, Nic, Vlan
from causeway_wire.problem import ProblemError
from causeway_wire.seed import AuthorizedKey, RoleName
from causeway_wire.types import ApplianceId, IPAddress, Pem, Secret

DEFAULT_PATH = Path("/etc/causeway/agent.json")


class Settings(Document, frozen=True, kw_only=True):
    """What the agent knows before its first document."""

    appliance: ApplianceId
    management: Management
    nics: tuple[Nic, ...]
    """At least the management adapter, or the trunk of the VLAN that it is."""
    vlans: tuple[Vlan, ...] = ()
    controller_ca: Pem
    """Authority of the controllers' client certificates; replaced by the identity API later."""
    enrolment_token: Secret | None = None
    """Single use; None once it was used."""
    role: RoleName | None = None
    """What the seed says that it will be; for people, until a document decides."""
    ssh_authorized_keys: tuple[AuthorizedKey, ...] = ()
    """Who may log in on the management address."""
    time_servers: tuple[IPAddress, ...] = ()
    """NTP servers."""
    state_directory: str = "/var/lib/causeway"
    """Keys, journal; survives reboots."""
    run_directory: str = "/run/causeway"
    """Sockets and rendered files; gone at reboot."""
    vpn_user: str | None = "causeway-vpn"
    """User that OpenVPN and HAProxy run as; ignored where this process cannot change users."""


def load(path: Path) -> Settings:
    """The settings in this file; raises SettingsError naming the member that is wrong."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(
            f"there is no {path}: this appliance has taken no seed yet, and `causeway-agent console --once` "
            "says what it waits for; or name the file with --settings"
        ) from error
    except OSError as error:
        hint = "run this as root, or name another with --settings"
        raise SettingsError(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}; {hint}"
        ) from error
    return decode(data, where=str(path))


def decode(data: bytes, *, where: str = "settings") -> Settings:
    """The settings in this text; raises SettingsError naming the member that is wrong."""
    try:
        return codec.decode(data, Settings)
    except ProblemError as error:
        pointer = error.problem.pointer or "/"
        raise SettingsError(f"{where}: {pointer}: {error.problem.detail}") from error
