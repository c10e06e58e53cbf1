"""Every kind of host, really there, one after another; at the end a table of what held."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab import sandbox
from tests import libvirtd, vcenter
from tests.conformance import holes, kinds, volatile
from tests.conformance.kinds import Kind
from tests.hyperv import samba
from tests.libvirtd import Libvirtd
from tests.vcenter import Centre

HERE = Path(__file__).parent
KINDS = ("lab", "libvirt", "vsphere", "hyperv")
COUNTERPARTS = {
    "vsphere": "govmomi's simulator",
    "hyperv": "the tests' own counterpart: cmdlets modelled, no Windows",
}
"""What is no hypervisor, and what it is instead."""
BRIDGES = ("cw-left", "cw-right", "cw-vlan7")
_HELD: dict[tuple[str, str], dict[str, str]] = {}


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A short path: one of a socket may have 107 characters (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="cwc-") as made:
        yield Path(made)


@pytest.fixture(scope="session")
def daemon(place: Path) -> Iterator[Libvirtd]:
    """libvirtd, with a pool, a network over one of its bridges, and nothing else."""
    if not sandbox.inside():
        pytest.fail(
            "these tests start daemons: run them in a sandbox, with `make conformance`", pytrace=False
        )
    if not libvirtd.available():
        pytest.fail("there is no libvirtd: scripts/setup libvirt installs it", pytrace=False)
    directory = place / "libvirt"
    directory.mkdir()
    begun = libvirtd.running(directory, BRIDGES)
    one = next(begun)
    one.make_network("left", "cw-left")
    with volatile.mounted(one.pool):
        yield one
    next(begun, None)


@pytest.fixture(scope="session")
def centre(place: Path) -> Iterator[Centre]:
    """A vCenter, with a datacenter, a cluster, a distributed switch, and VMs of others."""
    if not vcenter.available():
        pytest.fail(
            "the vCenter cannot be built: scripts/setup vsphere installs what it needs", pytrace=False
        )
    directory = place / "vsphere"
    directory.mkdir()
    with vcenter.running(vcenter.build(directory / "simulator"), directory) as one:
        yield one


@pytest.fixture(scope="session")
def ova(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An appliance that is small and boots nothing."""
    return vcenter.ova(tmp_path_factory.mktemp("ova"))


@pytest.fixture(scope="session")
def vhdx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a VHDX."""
    if not samba.available():
        pytest.fail("there is no smbd: scripts/setup hyperv installs it", pytrace=False)
    return kinds.vhdx(tmp_path_factory.mktemp("vhdx"))


@pytest_asyncio.fixture(params=KINDS)
async def kind(request: pytest.FixtureRequest) -> AsyncIterator[Kind]:
    """One kind of host with nothing of ours on it."""
    async with kinds.opened(request, request.param) as one:
        yield one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note what a test marked `shows(operation, fault)` came to."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    mark = item.get_closest_marker("shows")
    if mark is not None and HERE in item.path.parents and (report.when == "call" or report.failed):
        parameters = getattr(item, "callspec", None)
        chosen = parameters.params if parameters is not None else {}
        fault = str(chosen.get("fault", mark.kwargs.get("fault")))
        kind = str(chosen.get("kind", mark.kwargs.get("kind", "libvirt")))
        for operation in mark.kwargs.get("operations", (chosen.get("verb", mark.kwargs.get("operation")),)):
            row = _HELD.setdefault((str(operation), fault), {})
            if row.get(kind) != "FAILED":
                row[kind] = "held" if report.passed else "FAILED"
    return report  # type: ignore[return-value]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print operation, fault, and how each kind of host came through."""
    if not _HELD:
        return
    line = "{:<12} {:<34}" + " {:<8}" * len(KINDS)
    terminalreporter.section(f"conformance of {os.uname().machine}")
    terminalreporter.line(line.format("operation", "fault", *KINDS))
    reasons: dict[str, str] = {}
    for (operation, fault), row in sorted(_HELD.items()):
        cells = (row.get(kind) or _note(reasons, kind, fault) for kind in KINDS)
        terminalreporter.line(line.format(operation, fault, *cells))
    for reason, number in reasons.items():
        terminalreporter.line(f"{number} {reason}")
    for kind, what in COUNTERPARTS.items():
        terminalreporter.line(f"{kind} is {what}")


def _note(reasons: dict[str, str], kind: str, fault: str) -> str:
    """The number of the reason why nothing is shown there; a hole is one where nobody has said any."""
    reason = holes.why(kind, fault)
    return "HOLE" if reason is None else reasons.setdefault(reason, f"({len(reasons) + 1})")
