"""The command line of a machine in QEMU."""

from __future__ import annotations

import base64
from pathlib import Path

from causeway_lab.qemu.acceleration import KVM, TCG, Acceleration
from causeway_lab.qemu.command import Files, Hardware, command, smbios

EMULATED = Acceleration(name=TCG, reason="no node")
HARD = Acceleration(name=KVM, reason="it booted")
TAPS = {"02:ca:05:00:00:01": "p1", "02:ca:05:00:00:02": "p2"}


def words(
    *,
    acceleration: Acceleration = EMULATED,
    hardware: Hardware | None = None,
    at: str = "/lab/a",
    disc: bool = True,
) -> str:
    made = command(
        name="a",
        files=Files(Path(at)),
        hardware=hardware or Hardware(),
        acceleration=acceleration,
        taps=TAPS,
        disc=disc,
        credentials=(Files(Path(at)).credential("some.credential"),),
    )
    return " ".join(made)


def test_adapters_are_plugged_in_with_their_addresses_in_their_order() -> None:
    text = words()
    first, second = (text.index(f"mac={mac}") for mac in TAPS)
    assert first < second
    assert "ifname=p1,script=no,downscript=no" in text


def test_the_seed_is_in_a_drive_that_the_appliance_s_kernel_knows() -> None:
    assert "media=cdrom,format=raw,file=/lab/a/seed.iso -device scsi-cd,id=cd,bus=scsi.0" in words()


def test_without_a_disc_there_is_a_drive_to_put_one_in() -> None:
    assert "media=cdrom -device scsi-cd,id=cd,bus=scsi.0,drive=seed" in words(disc=False)


def test_nothing_is_lost_on_the_way_to_the_console_s_log() -> None:
    assert "file,id=console,append=on,path=/lab/a/console.log" in words()


def test_only_an_emulated_machine_is_told_to_be_patient() -> None:
    assert "default_device_timeout_sec=900" in words()
    assert "kernel-cmdline-extra" not in words(acceleration=HARD)


def test_a_bios_machine_has_no_firmware_to_load() -> None:
    assert "if=pflash" in words()
    assert "if=pflash" not in words(hardware=Hardware(firmware=None))


def test_a_comma_in_a_path_ends_nothing() -> None:
    assert "file=/lab/a,,b/seed.iso" in words(at="/lab/a,b")


def test_a_credential_is_what_systemd_reads() -> None:
    name, _, value = smbios("some.credential", b"\0secret").partition(b"=")
    assert name == b"io.systemd.credential.binary:some.credential"
    assert base64.b64decode(value) == b"\0secret"
    assert "-smbios type=11,path=/lab/a/credential-some.credential" in words()
