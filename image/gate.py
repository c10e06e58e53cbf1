"""The gate before `dist`: Packer boots a copy of the finished disk, tests/image looks at it, and only what
passed is handed out. What ships is the disk as it was built, never the copy.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from causeway_lab.qemu import acceleration
from causeway_lab.qemu import command as qemu_command
from causeway_lab.qemu.acceleration import Acceleration
from causeway_wire import seed
from image import export, subject, vapp
from image.subject import Subject
from image.workshop import ROOT, BuildError, Step, Workshop

PACKER = "packer"
TEMPLATE = ROOT / "packer/appliance.pkr.hcl"
"""All that Packer 1.6 is given; later ones take the whole directory, for plugins.pkr.hcl beside it."""
TESTS = ROOT / "tests/image"
REPORT = "tests.xml"
DISC = "ovf-env.iso"
BOOT_TIMEOUT = "10m"
"""Emulated on a busy machine; on an idle one a minute is enough."""
SECONDS = 2400.0
_UNPLUGGED = (1, 7)
"""First version of Packer that has builders apart."""
_SSH = """\
Host *
  StrictHostKeyChecking no
  UserKnownHostsFile {known}
  LogLevel ERROR
  BatchMode yes
  ControlMaster auto
  ControlPersist 120
  ControlPath {control}
"""
# The machine ends with the gate, whatever ends the gate.
_ALONE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the tests ended."""

    passed: int
    failed: int
    skipped: int


def judge(shop: Workshop, disk: Path) -> None:
    """Let tests/image look at a booted copy of the disk; raises BuildError unless every test passed."""
    if shutil.which(PACKER) is None:
        raise BuildError("image: the gate needs Packer: scripts/setup image installs it")
    chosen = asyncio.run(acceleration.choose())
    print(f"image: the gate boots {disk.name} with {chosen.name}: {chosen.reason}")
    with shop.step("gate") as step:
        work = shop.fresh("gate")
        prepared = prepare(step, disk=disk.resolve(), work=work)
        try:
            _build(step, prepared, chosen)
        except subprocess.CalledProcessError as error:
            raise ValueError(_why(prepared)) from error
        finally:
            shutil.rmtree(work / "copy", ignore_errors=True)
        counted = counts(work / REPORT)
        if counted.failed or counted.skipped or not counted.passed:
            raise ValueError(_why(prepared))
    print(f"image: the gate: {counted.passed} tests passed on the booted copy")


def prepare(step: Step, *, disk: Path, work: Path) -> Subject:
    """Keys, seed and SSH's configuration of a machine that boots this disk."""
    step.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gate", "-f", work / "id")
    made = subject.make(directory=work, disk=disk)
    text = subject.seed_of(made, (work / "id.pub").read_text())
    make_environment(step, descriptor=export.descriptor_of(disk.with_suffix(".ova")), text=text, work=work)
    # A path to a socket has room for 108 octets (unix(7)); a build may lie deep.
    control = f"/tmp/causeway-gate-{os.getpid()}"  # noqa: S108 - ssh makes it for its user alone
    (work / "ssh_config").write_text(_SSH.format(known=work / "known_hosts", control=control))
    return made


def make_environment(step: Step, *, descriptor: str, text: bytes, work: Path) -> None:
    """The CD by which vSphere hands over what was entered for the OVA's properties (transport `iso`).

    `text`: the seed. Somebody else's program writes the CD, with Joliet as the standard asks.
    """
    entered = {seed.OVF_KEY: base64.b64encode(text).decode()}
    (work / vapp.FILE).write_text(vapp.environment(descriptor, entered), encoding="utf-8")
    command = ("xorriso", "-as", "mkisofs", "-quiet", "--norock", "-J", "-V", vapp.LABEL, "-o")
    step.run(*command, work / DISC, work / vapp.FILE)


def variables(prepared: Subject, chosen: Acceleration) -> dict[str, object]:
    """What the template asks for."""
    words = dict(zip(chosen.options[::2], chosen.options[1::2], strict=True))
    return {
        "disk": str(prepared.disk),
        "format": prepared.format,
        "checksum": f"sha256:{export.digest(prepared.disk)}",
        "directory": str(prepared.directory),
        "accelerator": words["-accel"],
        "cpu": words["-cpu"],
        "management": {
            "mac": subject.MANAGEMENT_MAC,
            "api_port": prepared.api_port,
            "guest_port": subject.PORT,
        },
        "trunk": {
            "mac": subject.TRUNK_MAC,
            "host_port": prepared.trunk_host_port,
            "machine_port": prepared.trunk_machine_port,
        },
        "firmware": {
            "code": str(qemu_command.FIRMWARE),
            "variables": str(qemu_command.FIRMWARE_VARIABLES),
        },
        "python": sys.executable,
        "tests": str(TESTS),
        "boot_timeout": BOOT_TIMEOUT,
    }


def template(version: str) -> Path:
    """What this Packer is to be given; `version` is what `packer version` says."""
    found = re.search(r"v(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"no version of Packer in {version!r}")
    known = (int(found[1]), int(found[2]))
    return TEMPLATE.parent if known >= _UNPLUGGED else TEMPLATE


def counts(report: Path) -> Verdict:
    """What pytest's JUnit report counts; all zero when there is none."""
    passed = failed = skipped = 0
    for suite in ET.parse(report).getroot().iter("testsuite") if report.exists() else ():  # noqa: S314 - ours
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        left_out = int(suite.get("skipped", 0))
        failed, skipped = failed + bad, skipped + left_out
        passed += int(suite.get("tests", 0)) - bad - left_out
    return Verdict(passed=passed, failed=failed, skipped=skipped)


def _build(step: Step, prepared: Subject, chosen: Acceleration) -> None:
    work = prepared.directory
    given = work / "variables.pkrvars.json"
    given.write_text(json.dumps(variables(prepared, chosen), indent=1))
    environment = {"CHECKPOINT_DISABLE": "1", "PACKER_CACHE_DIR": str(work / "cache"), "TMPDIR": str(work)}
    place = template(step.output(PACKER, "version", environment=environment))
    if place.is_dir():
        step.run(PACKER, "init", place, environment=environment)
    alone = _ALONE if os.geteuid() == 0 else ()
    step.run(
        *alone,
        *(PACKER, "build", "-color=false", "-timestamp-ui", f"-var-file={given}", place),
        cwd=ROOT,
        environment=environment,
        seconds=SECONDS,
    )


def _why(prepared: Subject) -> str:
    counted = counts(prepared.directory / REPORT)
    if not counted.passed and not counted.failed:
        return f"no test ran: the machine never answered; its console is {prepared.directory / 'console.log'}"
    return (
        f"{counted.passed} tests passed, {counted.failed} failed, {counted.skipped} were skipped; "
        f"the machine's console is {prepared.directory / 'console.log'}"
    )
