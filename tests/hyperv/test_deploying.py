"""An appliance on a Hyper-V host: what it is, what is left when a controller dies, and what is refused."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from pathlib import Path

import pytest

from causeway_controller.hypervisors import seed_image, uploads
from causeway_controller.hypervisors.base import HypervisorError, MachineSpec, NicSpec, unwatched
from causeway_controller.hypervisors.hyperv import deployment
from tests.conformance.kinds import MACS, OWNER, HypervKind, renamed
from tests.cutting_proxy import Way
from tests.hyperv.host import SWITCHES, THEIRS
from tests.hyperv.things import Mode, State, Vm
from tests.hyperv.windows import RefusedError

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

NOWHERE = ("127.0.0.1", 1)


def machine(kind: HypervKind, name: str = OWNER) -> Vm:
    (found,) = (one for one in kind.host.windows.vms if one.name == name)
    return found


def folder(kind: HypervKind) -> Path:
    return kind.host.windows.root / "Cloud_Connect_Replication"


async def deployed(kind: HypervKind, spec: MachineSpec | None = None) -> Vm:
    await kind.direct().deploy(spec or kind.spec, unwatched)
    return machine(kind)


async def test_a_machine_is_what_was_asked_for(hyperv: HypervKind) -> None:
    first, second = map(str, SWITCHES)
    segments = (first.upper(), await hyperv.direct().trunk(second, (103, 101, 102)))
    nics = tuple(NicSpec(mac=mac, segment=one) for mac, one in zip(MACS, segments, strict=True))
    said: list[float] = []
    await hyperv.direct().deploy(replace(hyperv.spec, nics=nics), lambda _, part: said.append(part))
    vm = machine(hyperv)
    assert (vm.generation, vm.state) == (2, State.Off)
    assert {
        name: vm.settings[name] for name in ("MemoryStartupBytes", "ProcessorCount", "CheckpointType")
    } == {
        "MemoryStartupBytes": 512 << 20,
        "ProcessorCount": 2,
        "CheckpointType": "Disabled",
    }
    assert vm.settings["EnableSecureBoot"] == "On"
    assert vm.settings["SecureBootTemplate"] == "MicrosoftUEFICertificateAuthority"
    assert [(nic.name, nic.mac, str(nic.switch)) for nic in vm.nics] == [
        ("causeway-0", MACS[0].replace(":", "").upper(), first),
        ("causeway-1", MACS[1].replace(":", "").upper(), second),
    ]
    assert [(nic.vlan.mode, nic.vlan.native, nic.vlan.allowed) for nic in vm.nics] == [
        (Mode.Untagged, 0, ()),
        (Mode.Trunk, 0, (101, 102, 103)),
    ]
    place = hyperv.host.windows.local(vm.path)
    assert (place / "disk.vhdx").read_bytes() == hyperv.image.read_bytes()
    assert (place / "seed.iso").read_bytes() == seed_image.iso(hyperv.spec.seed)
    assert (folder(hyperv) / f"{OWNER}.claim").read_text() == str(vm.id)
    assert said == sorted(said)
    assert said[-1] == 1.0


@pytest.mark.timeout(300)
async def test_a_controller_dies_at_any_cmdlet_and_the_next_one_finishes(
    hyperv: HypervKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cmdlet is done, its answer is never heard, and whoever asked does nothing any more."""
    monkeypatch.setattr(uploads, "_TAKE_BACK", (0.0,))
    windows = hyperv.host.windows
    had = hyperv.there()
    await deployed(hyperv)
    whole = len(windows.calls)
    assert whole > 30
    await hyperv.direct().destroy(OWNER)
    assert hyperv.there() == had
    servers = (hyperv.proxy.server, hyperv.files.server)
    for last in range(1, whole, 3):
        windows.calls.clear()

        def die(_name: str, last: int = last) -> None:
            if len(windows.calls) == last:
                hyperv.proxy.server = hyperv.files.server = NOWHERE
                hyperv.proxy.cut()

        windows.before = die
        with pytest.raises(HypervisorError):
            await hyperv.provider().deploy(hyperv.spec, unwatched)
        windows.before = lambda _: None
        hyperv.proxy.server, hyperv.files.server = servers
        await deployed(hyperv)
        assert len(hyperv.there() - had) == hyperv.pieces, last
        await hyperv.direct().destroy(OWNER)
        assert hyperv.there() == had, last


@pytest.mark.parametrize("part", [0.01, 0.5, 0.97])
async def test_the_files_connection_is_cut_while_the_disk_is_sent(hyperv: HypervKind, part: float) -> None:
    had = hyperv.there()
    hyperv.files.arm(Way.ASKED, int(part * hyperv.image.stat().st_size))
    with pytest.raises(HypervisorError):
        await hyperv.provider().deploy(hyperv.spec, unwatched)
    assert hyperv.files.cuts == 1
    assert hyperv.there() == had  # it took back what it had made
    gc.collect()  # the package complains of handles that are open: of this test's, in this test
    await hyperv.provider().deploy(hyperv.spec, unwatched)
    assert len(hyperv.there() - had) == hyperv.pieces


async def test_what_a_dead_attempt_left_goes_with_the_removal(hyperv: HypervKind) -> None:
    left = folder(hyperv) / f"{OWNER}-00c0ffee"
    left.mkdir(parents=True)
    (left / "disk.vhdx").write_bytes(b"half")
    other = folder(hyperv) / f"{OWNER}-two-00c0ffee"
    other.mkdir()
    await hyperv.direct().destroy(OWNER)
    assert (left.exists(), other.exists()) == (False, True)


async def test_what_is_old_goes_at_once_and_what_is_not_may_be_anothers(
    hyperv: HypervKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = folder(hyperv) / f"{OWNER}-00c0ffee"
    left.mkdir(parents=True)
    hyperv.host.windows.full = True
    with pytest.raises(HypervisorError, match="not enough space"):
        await deployed(hyperv)
    assert left.exists()
    monkeypatch.setattr(deployment, "ABANDONED_SECONDS", -60.0)
    with pytest.raises(HypervisorError, match="not enough space"):
        await deployed(hyperv)
    assert list(folder(hyperv).iterdir()) == []


async def test_many_controllers_make_one_machine(hyperv: HypervKind) -> None:
    had = hyperv.there()
    done = await asyncio.gather(
        *(hyperv.direct().deploy(hyperv.spec, unwatched) for _ in range(4)), return_exceptions=True
    )
    assert any(not isinstance(one, BaseException) for one in done), done
    await deployed(hyperv)
    assert len(hyperv.there() - had) == hyperv.pieces


async def test_a_claim_whose_vm_somebody_removed_is_let_go(hyperv: HypervKind) -> None:
    vm = await deployed(hyperv)
    hyperv.host.windows.vms.remove(vm)
    assert await hyperv.direct().find(OWNER) is None
    again = await deployed(hyperv)
    assert again.id != vm.id
    assert len(list(folder(hyperv).iterdir())) == len(("claim", "folder", "image"))


async def test_who_comes_second_to_the_claim_deletes_what_he_made(hyperv: HypervKind) -> None:
    """After he looked, and before his own claim is there."""
    (theirs,) = hyperv.host.windows.vms

    def first(name: str) -> None:
        if name == "Get-VMNetworkAdapter" and "Add-VMDvdDrive" in hyperv.host.windows.calls:
            theirs.notes = f"causeway.owner={OWNER}"
            (folder(hyperv) / f"{OWNER}.claim").write_text(str(theirs.id))

    hyperv.host.windows.before = first
    assert await deployed(hyperv) is theirs
    assert hyperv.host.windows.vms == [theirs]
    (left,) = folder(hyperv).iterdir()
    left.unlink()  # his VM is none of this host's, really


async def test_many_controllers_let_go_of_one_claim_and_make_one_machine(hyperv: HypervKind) -> None:
    had = hyperv.there()
    vm = await deployed(hyperv)
    for _ in range(2):
        hyperv.host.windows.vms.remove(vm)
        done = await asyncio.gather(
            *(hyperv.direct().deploy(hyperv.spec, unwatched) for _ in range(3)), return_exceptions=True
        )
        assert any(not isinstance(one, BaseException) for one in done), done
        vm = await deployed(hyperv)
        assert len(hyperv.there() - had) == hyperv.pieces


async def test_a_claimed_vm_without_our_notes_is_left_alone_and_named(hyperv: HypervKind) -> None:
    vm = await deployed(hyperv)
    vm.notes = "of somebody else"
    for act in (hyperv.direct().find(OWNER), hyperv.direct().destroy(OWNER), deployed(hyperv)):
        with pytest.raises(HypervisorError, match=f"its notes do not say causeway.owner={OWNER}"):
            await act
    assert vm in hyperv.host.windows.vms
    vm.notes = f"causeway.owner={OWNER}"


async def test_notes_alone_make_no_machine(hyperv: HypervKind) -> None:
    """Whoever copies a machine copies its notes."""
    (theirs,) = hyperv.host.windows.vms
    theirs.notes = f"causeway.owner={OWNER}\r\ncauseway.nics=[]"
    assert await hyperv.direct().find(OWNER) is None
    (listed,) = await hyperv.direct().vms()
    assert listed.owner_id is None
    await hyperv.direct().destroy(OWNER)
    assert theirs in hyperv.host.windows.vms


async def test_a_machine_that_was_renamed_is_found_and_gets_its_name_back(hyperv: HypervKind) -> None:
    vm = await deployed(hyperv)
    vm.name = "old"
    found = await hyperv.direct().find(OWNER)
    assert found is not None
    assert found.name == "old"
    assert await deployed(hyperv) is vm


@pytest.mark.parametrize("change", ["mac", "switch", "vlan", "unplugged", "another", "native"])
async def test_a_machine_that_was_rewired_is_not_started(hyperv: HypervKind, change: str) -> None:
    vm = await deployed(hyperv)
    first, second = vm.nics
    match change:
        case "mac":
            first.mac = "00155D00FFFF"
        case "switch":
            first.switch = second.switch
        case "vlan":
            second.vlan.access = 7
        case "unplugged":
            first.switch = None
        case "another":
            vm.nics.append(replace(second, mac="00155D00FFFF"))
        case _:
            second.vlan.mode, second.vlan.native, second.vlan.allowed = Mode.Trunk, 5, (101,)
    with pytest.raises(HypervisorError, match=r"acme-one is not started: its vNICs are"):
        await hyperv.direct().power(OWNER, on=True, grace=0)
    assert vm.state is State.Off


async def test_a_guest_is_asked_first_and_cut_when_it_does_not_listen(hyperv: HypervKind) -> None:
    vm = await deployed(hyperv)
    calls = hyperv.host.windows.calls
    for listens in (True, False):
        await hyperv.direct().power(OWNER, on=True, grace=0)
        vm.settings["listens"] = listens
        calls.clear()
        await hyperv.direct().power(OWNER, on=False, grace=0.5)
        assert vm.state is State.Off
        assert calls.count("Stop-VM") == (1 if listens else 2)


async def test_others_are_powered_by_their_ids_and_never_removed(hyperv: HypervKind) -> None:
    (theirs,) = hyperv.host.windows.vms
    found = await hyperv.direct().find(str(THEIRS).upper())
    assert found is not None
    assert (found.name, found.powered_on) == ("db1", False)
    await hyperv.direct().power(str(THEIRS), on=True, grace=0)
    assert theirs.state is State.Running
    await hyperv.direct().destroy(str(THEIRS))
    assert theirs in hyperv.host.windows.vms
    with pytest.raises(HypervisorError, match="there is no machine"):
        await hyperv.direct().power("nobody", on=True, grace=0)


async def test_a_disk_that_is_not_what_was_sent_becomes_no_machine(hyperv: HypervKind) -> None:
    def spoil(name: str) -> None:
        if name == "Get-FileHash":
            (disk,) = folder(hyperv).rglob("disk.vhdx")
            with disk.open("r+b") as file:
                file.seek(1 << 20)
                file.write(b"x")

    had = hyperv.there()
    hyperv.host.windows.before = spoil
    with pytest.raises(HypervisorError, match="is not what was sent"):
        await deployed(hyperv)
    assert hyperv.there() == had


async def test_a_cmdlet_that_refuses_is_told_and_nothing_is_left(hyperv: HypervKind) -> None:
    def refuse(name: str) -> None:
        if name == "Set-VMFirmware":
            raise RefusedError("There is no such template of Secure Boot.")

    had = hyperv.there()
    hyperv.host.windows.before = refuse
    with pytest.raises(HypervisorError, match=r"Get-VM \| Set-VMFirmware: There is no such template"):
        await deployed(hyperv)
    assert hyperv.there() == had


async def test_a_second_machine_is_another(hyperv: HypervKind) -> None:
    await deployed(hyperv)
    two = replace(
        renamed(hyperv.spec, f"{OWNER}-two"),
        nics=tuple(replace(nic, mac=f"00:15:5d:00:00:0{n}") for n, nic in enumerate(hyperv.spec.nics)),
    )
    await hyperv.direct().deploy(two, unwatched)
    await hyperv.direct().destroy(OWNER)
    assert await hyperv.direct().find(two.owner_id) is not None
    await hyperv.direct().destroy(two.owner_id)
    assert list(folder(hyperv).iterdir()) == []
