"""What the engine needs from outside, as small Protocols. `backends` implements them, `app` wires them.

Every method is idempotent where it changes something, and raises `errors.BackendError` when it fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from causeway_agent.plan.filter.public_elements import Cuts, Elements
from causeway_agent.plan.model.objects import Claim, KernelObject, Sysctl
from causeway_agent.plan.model.path_size import PathSize
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import Process
from causeway_agent.plan.model.target import Observation
from causeway_agent.plan.steer.holdings import Holding
from causeway_agent.plan.steer.load import Sender
from causeway_agent.plan.steer.shares import Held, Holder
from causeway_wire.identity import Certificate, Csr, CsrRequest
from causeway_wire.observed import NicReport, TunnelReport
from causeway_wire.types import ChangeId, IPNetwork, MacAddress, TunnelId
from causeway_wire.update import Activation, UpdateStatus

Counts = Mapping[bytes, tuple[int, int]]
"""Packets and octets by key."""


class Kernel(Protocol):
    """Links, tun devices, addresses, routes, rules, proxy neighbours (rtnetlink) and sysctls."""

    async def devices(self) -> dict[MacAddress, str]:
        """Kernel device name of every physical-like adapter, by MAC address."""

    async def observe(self, devices: Iterable[str], sysctls: Iterable[Sysctl]) -> Observation:
        """Everything of ours in this kernel; `policy` and `processes` are left empty."""

    async def put(self, item: KernelObject) -> None:
        """Make the object exist as given."""

    async def drop(self, item: KernelObject) -> None:
        """Make the object not exist."""

    async def nics(self) -> tuple[NicReport, ...]:
        """All adapters with their state, for reports."""

    def events(self) -> AsyncIterator[str]:
        """A short reason each time the kernel tells of changed links, addresses, routes, rules or filter."""


class Firewall(Protocol):
    """Our nftables table."""

    async def load(self, policy: Policy) -> None:
        """Replace the table's rules in one transaction; admitted gateway flows survive."""

    async def loaded(self) -> Policy | None:
        """The policy in force: the one loaded last, or None when the kernel holds anything else than that."""

    async def restore(self) -> None:
        """Load once more what was loaded last."""

    async def foreign(self) -> frozenset[str]:
        """Tables of others that see packets, in words."""

    async def counters(self) -> Mapping[str, tuple[int, int]]:
        """Packets and octets of every named counter."""


class Publications(Protocol):
    """The elements of public rules in our nftables table; loading a policy leaves them alone.

    Everything but `cut` raises BackendError while no policy was ever loaded: there are no sets yet.
    """

    async def observe(self) -> Elements:
        """All elements there are."""

    async def apply(self, delete: Elements, add: Elements) -> None:
        """Delete and add in one transaction; refused when one to delete is missing: then nothing has changed.
        Counters of elements that are not named go on.
        """

    async def cut(self, cuts: Cuts) -> int:
        """End the flows that may not stay; how many there were."""

    async def counters(self, wanted: Mapping[str, Collection[bytes]] | None) -> Mapping[str, Counts]:
        """By set, then by key; of these keys (more may come), or of all."""


class Processes(Protocol):
    """Supervised processes and tasks."""

    async def start(self, process: Process) -> None:
        """Start it, replacing one of the same name; returns when it runs (a server: when it listens)."""

    async def stop(self, process: Process) -> None:
        """Stop it; returns when it is gone."""

    def running(self) -> frozenset[Process]:
        """What is supervised now, restarts in progress included."""

    def tunnels(self) -> tuple[TunnelReport, ...]:
        """The state of every tunnel end."""

    def first_packets(self) -> Mapping[str, int]:
        """Gateway: how many first packets were `admitted`, or refused for a reason, since its door opened."""

    def active(self) -> Mapping[TunnelId, str]:
        """The tun device that carries each tunnel now."""

    def paths(self) -> Mapping[TunnelId, PathSize]:
        """What size each tunnel's path carries, where that is known and not the full size."""

    def declined(self) -> Mapping[TunnelId, str]:
        """Why OpenVPN would not leave a tunnel's packets to the kernel, of those of which that is known."""

    def lost(self, devices: Iterable[str]) -> None:
        """Begin those anew that go on without these devices, which they had the kernel make."""

    def events(self) -> AsyncIterator[str]:
        """A short reason each time a tunnel changes state."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Another machine has an address of ours, by what it says."""

    claim: Claim
    mac: MacAddress


@dataclass(frozen=True, slots=True)
class NeighbourTable:
    """The kernel's table of neighbours of one family, which all networks of the machine share."""

    version: int
    """4 or 6."""
    entries: int
    limit: int
    refused: int
    """How often somebody new found no room, since the machine started."""


class Neighbours(Protocol):
    """Speaks ARP (RFC 826, 5227) and neighbour discovery (RFC 4861) on the wire."""

    async def probe(self, claims: Iterable[Claim]) -> dict[Claim, MacAddress]:
        """Those addresses that another machine answers for, with its MAC address; bounded in time."""

    async def announce(self, claim: Claim) -> None:
        """Tell the segment that the address is here now."""

    async def ask(self, claims: Iterable[Claim]) -> None:
        """Ask the segments who has these, but where an adapter is down; answers are told as sightings."""

    async def hold(self, holdings: Iterable[Holding], *, own: Collection[MacAddress]) -> None:
        """Listen for other machines that have these, and for no others, from now on; defend what is to be
        defended. `own`: MAC addresses of this machine. What cannot be listened for now is left out.
        """

    async def tables(self) -> tuple[NeighbourTable, ...]:
        """How full the kernel's tables are."""

    def sightings(self) -> AsyncIterator[Sighting]:
        """Other machines that have what is held, each time they say so."""


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """The kernel's table of connections that are translated or followed."""

    entries: int
    limit: int
    """0 where the kernel follows none."""
    refused: int
    """How many new ones found no room, since the machine started."""


class Connections(Protocol):
    """The connections of machines whose network is followed; `networks` says which device's it is."""

    async def table(self) -> ConnectionTable:
        """How full the table is; cheap."""

    async def census(self, networks: Mapping[IPNetwork, str]) -> Mapping[Holder, Held]:
        """How many each machine holds; walks the whole table."""

    async def refuse(self, holders: Collection[Holder]) -> None:
        """Let these machines have no new connections for a while, and all others."""

    async def end(self, excess: Mapping[Holder, int], networks: Mapping[IPNetwork, str]) -> int:
        """End so many connections of each of these; how many there were."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Packets that a device sent, and those that it, or OpenVPN behind it, dropped for want of room."""

    sent: int
    dropped: int


class TunnelLoads(Protocol):
    """What tunnels' devices are given to send, and by whom. All raise BackendError."""

    async def queues(self) -> Mapping[str, Queue]:
        """Of every tunnel's device, by its name."""

    async def senders(self) -> Mapping[Sender, int]:
        """Packets that machines sent into devices that are pressed, since each is counted."""

    async def slow(self, pressed: Collection[str], slowed: Mapping[Sender, int]) -> None:
        """Count who sends into these devices, and let no more pass of these machines than so many packets a
        second, for some seconds; in place of what was said before.
        """


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds, for deadlines and durations."""


class DeadMan(Protocol):
    """Somebody outside the agent who takes a change back when its time is over, whatever became of us."""

    async def arm(self, change: ChangeId, *, seconds: float) -> None:
        """Take this change back a moment after so many seconds, not when it was said before."""

    async def disarm(self, change: ChangeId) -> None:
        """Leave this change alone; harmless when nobody was armed."""


class Slots(Protocol):
    """Both slots of the system. Every method also raises ProblemError, saying why not."""

    async def status(self) -> UpdateStatus:
        """What is in them, and which one runs."""

    async def receive(
        self, chunks: AsyncIterator[bytes], *, octets: int, sha256: str, allow_older: bool
    ) -> UpdateStatus:
        """Write an update file of so many octets into the one that does not run; start nothing.

        `allow_older`: than the system that runs.
        """

    async def activate(self, wanted: Activation) -> UpdateStatus:
        """Restart into the other one, on trial: a moment after the return."""

    async def abandon(self) -> UpdateStatus:
        """Empty the one that does not run."""

    def on_trial(self) -> bool:
        """Whether the running one has yet to prove good; never raises, and costs nothing."""


class Storage(Protocol):
    """Small files that matter, written beside, synced and renamed."""

    def read(self, name: str) -> bytes | None:
        """The file's content, or None when there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Replace the file; after return it survives a power cut."""

    def append(self, name: str, data: bytes) -> None:
        """Lengthen the file, made when missing; after return what was added survives a power cut.

        A cut may leave a part of it; a refusal leaves nothing, as far as the disk obeys.
        """

    def delete(self, name: str) -> None:
        """Remove the file if it exists."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names of the files that start with the prefix, sorted."""


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent shows its clients, and whom it believes."""

    key: str
    """Path of the private key."""
    certificate: str
    """PEM chain, the agent's own certificate first."""
    controller_ca: str
    """PEM of the authorities of controllers."""


class Identity(Protocol):
    """Keys born on this appliance and the certificates for them."""

    async def request(self, request: CsrRequest) -> Csr:
        """A signing request; makes the key when its name is new."""

    async def install(self, certificate: Certificate) -> None:
        """Use this certificate for new connections from the return on, and void the enrolment token. Raises
        ProblemError (`invalid`) when it does not fit.
        """
