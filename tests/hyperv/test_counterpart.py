"""The counterpart refuses what is not documented, and the package that speaks to it what is not proven."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.hyperv import binding
from causeway_controller.hypervisors.hyperv.binding import (
    CmdletError,
    DeniedError,
    Endpoint,
    Login,
    LostError,
)
from causeway_controller.hypervisors.hyperv.identity import Identities
from causeway_wire.types import Secret
from tests.hyperv import cmdlets
from tests.hyperv import host as counterpart
from tests.hyperv.host import PASSWORD, USER, HypervHost

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

MEBIBYTE = 1 << 20
Answer = TypeVar("Answer")


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[HypervHost]:
    async with counterpart.running(tmp_path, files=False) as one:
        yield one


def login(
    host: HypervHost, *, user: str = f"HVLAB\\{USER}", password: str = PASSWORD, pin: str = ""
) -> Login:
    return Login(
        Endpoint(
            host="127.0.0.1",
            port=host.port,
            context=tls.by_key(pin or host.pin),
            who=Identities(user, Secret(password)),
            smb=1,
        )
    )


async def ask(host: HypervHost, question: Callable[[Login], Answer]) -> Answer:
    """The answer to a question of a login that is ended afterwards."""

    def asked() -> Answer:
        one = login(host)
        try:
            return question(one)
        finally:
            one.end()

    return await asyncio.to_thread(asked)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("Format-Volume", {}), "is not recognized as the name of a cmdlet"),
        (("Get-VM", {"State": "Off"}), "cannot be found that matches parameter name 'State'"),
        (("Get-VM", {"Id": "db1"}), "is no Guid"),
        (("New-VM", {"Name": "a", "MemoryStartupBytes": 512 * MEBIBYTE}), "is no Int64"),
        (("New-VM", {"Name": "a", "BootDevice": "Disk"}), "BootDevice"),
        (("Set-VMNetworkAdapterVlan", {"VlanId": "7"}), "is no Int32"),
        (("Rename-VM", {}), "missing mandatory parameters"),
    ],
    ids=["cmdlet", "parameter", "guid", "64 bits", "member", "number", "mandatory"],
)
async def test_what_is_not_documented_is_refused(
    host: HypervHost, call: tuple[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(CmdletError, match=said):
        await ask(host, lambda one: one.run(call))
    assert host.windows.calls == []


async def test_script_text_is_refused(host: HypervHost) -> None:
    def scripted(one: Login) -> object:
        shell = binding.load("pypsrp.powershell").PowerShell(one._pool)
        shell.add_script("Get-VM").invoke()
        return [str(error) for error in shell.streams.error]

    assert await ask(host, scripted) == ["Script text is not taken."]


async def test_a_text_that_looks_like_a_command_is_a_text(host: HypervHost) -> None:
    evil = "$(Stop-VM db1); Get-VM | Remove-VM -Force #'\"\r\n"
    (their,) = host.windows.vms
    await ask(host, lambda one: one.run(("Get-VM", {"Id": their.id}), ("Set-VM", {"Notes": evil})))
    assert (their.notes, host.windows.calls) == (evil, ["Get-VM", "Set-VM"])


async def test_what_comes_back_is_of_its_type(host: HypervHost) -> None:
    (row,) = await ask(
        host, lambda one: one.run(("Get-VM", {}), ("Select-Object", {"Property": ["Id", "State", "Nothing"]}))
    )
    assert row == {"Id": host.windows.vms[0].id, "State": "Off", "Nothing": None}
    assert isinstance(row["Id"], uuid.UUID)


async def test_numbers_of_64_bits_arrive_whole(host: HypervHost) -> None:
    (their,) = host.windows.vms
    await ask(
        host,
        lambda one: one.run(
            ("Get-VM", {"Id": their.id}), ("Set-VM", {"MemoryStartupBytes": binding.long(6 << 30)})
        ),
    )
    assert their.settings["MemoryStartupBytes"] == 6 << 30


@pytest.mark.parametrize("who", [{"password": "x"}, {"user": "HVLAB\\nobody"}], ids=["password", "user"])
async def test_who_does_not_know_the_password_is_not_let_in(host: HypervHost, who: dict[str, str]) -> None:
    with pytest.raises(DeniedError, match="refuses user or password"):
        await asyncio.to_thread(lambda: login(host, **who))
    assert host.remoting.shells == {}


async def test_another_key_is_told_nothing(host: HypervHost) -> None:
    with pytest.raises(LostError, match="another key is shown than the pinned one"):
        await asyncio.to_thread(lambda: login(host, pin="0" * 64))
    assert host.remoting.logins == {}


async def test_a_login_is_bound_to_the_certificate(host: HypervHost) -> None:
    """Who passes a login on, from a certificate of his own, is not let in."""
    host.remoting.certificate = b"that of somebody in between"
    with pytest.raises(DeniedError):
        await asyncio.to_thread(lambda: login(host))
    assert host.remoting.refused


async def test_a_shell_that_ended_is_lost(host: HypervHost) -> None:
    def later(one: Login) -> object:
        host.remoting.expire()
        return one.run(("Get-VM", {}))

    with pytest.raises(LostError, match="its shell has ended"):
        await ask(host, later)


async def test_the_shell_is_closed_at_the_end(host: HypervHost) -> None:
    await ask(host, lambda one: one.run(("Get-VM", {})))
    assert host.remoting.shells == {}


async def test_of_what_was_answered_nothing_is_kept(host: HypervHost) -> None:
    """Neither there nor here, where a login lasts as long as the controller; also of what was refused."""

    def often(one: Login) -> tuple[int, int]:
        for _ in range(3):
            one.run(("Get-VM", {}))
            with pytest.raises(CmdletError):
                one.run(("Get-VM", {"Id": "db1"}))
        (shell,) = host.remoting.shells.values()
        return len(shell.pipelines), len(one._pool.pipelines)

    assert await ask(host, often) == (0, 0)


def test_every_cmdlet_that_is_called_is_in_the_table() -> None:
    """And the table has none that nobody calls."""
    sources = Path(binding.__file__).parent.glob("*.py")
    text = "".join(path.read_text() for path in sources)
    assert {name for name in cmdlets.CMDLETS if f'"{name}"' not in text} == set()
    assert HypervisorError in CmdletError.__mro__
