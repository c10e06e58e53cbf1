"""Every kind of host, really there, one after another; at the end a table of what held."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab import sandbox
from tests import libvirtd
from tests.conformance import kinds
from tests.conformance.kinds import Kind
from tests.libvirtd import Libvirtd

HERE = Path(__file__).parent
KINDS = ("lab", "libvirt")
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
    yield one
    next(begun, None)


@pytest_asyncio.fixture(params=KINDS)
async def kind(request: pytest.FixtureRequest, place: Path) -> AsyncIterator[Kind]:
    """One kind of host with nothing of ours on it."""
    directory = Path(tempfile.mkdtemp(dir=place))
    if request.param == "lab":
        async with kinds.lab(directory) as lab:
            yield lab
    else:
        async with kinds.libvirt(request.getfixturevalue("daemon"), directory) as libvirt:
            yield libvirt


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note what a test marked `shows(operation, fault)` came to."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    mark = item.get_closest_marker("shows")
    if mark is not None and HERE in item.path.parents and (report.when == "call" or report.failed):
        parameters = getattr(item, "callspec", None)
        chosen = parameters.params if parameters is not None else {}
        operation = chosen.get("verb", mark.kwargs.get("operation"))
        row = _HELD.setdefault((str(operation), str(chosen.get("fault", mark.kwargs.get("fault")))), {})
        kind = str(chosen.get("kind", mark.kwargs.get("kind", "libvirt")))
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
    for (operation, fault), row in sorted(_HELD.items()):
        terminalreporter.line(line.format(operation, fault, *(row.get(kind, "-") for kind in KINDS)))
