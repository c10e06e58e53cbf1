"""The files of a Hyper-V host of the tests: Debian's smbd, one share, encrypted, at a port of loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import loopback
from tests.hyperv.domain import REALM, Domain

SMBD, PDBEDIT = "/usr/sbin/smbd", "/usr/bin/pdbedit"
_SETTINGS = """
[global]
  server role = standalone server
  workgroup = HVLAB
  netbios name = HV1
  smb ports = {port}
  interfaces = lo
  bind interfaces only = yes
  disable netbios = yes
  load printers = no
  printing = bsd
  printcap name = /dev/null
  server min protocol = SMB3
  server smb encrypt = {encrypt}
  map to guest = {guests}
  username map = {place}/users
  passdb backend = tdbsam:{place}/passdb.tdb
  private dir = {place}/private
  lock directory = {place}/lock
  state directory = {place}/state
  cache directory = {place}/cache
  pid directory = {place}/pid
  ncalrpc dir = {place}/ncalrpc
  log file = {place}/log
[{share}]
  path = {root}
  read only = no
  store dos attributes = no
  dfree command = {place}/left
"""
_DOMAIN = """  realm = {realm}
  log level = 0 auth_audit:5
  kerberos method = dedicated keytab
  dedicated keytab file = FILE:{keytab}
"""


def available() -> bool:
    """Whether this machine has it."""
    return shutil.which(SMBD) is not None


@contextmanager
def running(
    place: Path,
    *,
    share: str,
    root: Path,
    user: str,
    password: str,
    anybody: str = "",
    domain: Domain | None = None,
) -> Iterator[int]:
    """The port where `root` is shared with this user, who is root to the file system.

    `anybody`: as of somebody who wants to be sent what is not his, whoever comes is let in; says whether he
    encrypts (`server smb encrypt` in smb.conf(5)). `domain`: whose tickets are taken, too.
    """
    port = loopback.free_port()
    for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
        (place / name).mkdir()
    settings = place / "smb.conf"
    encrypt, guests = (anybody, "bad password") if anybody else ("required", "never")
    text = _SETTINGS.format(port=port, place=place, share=share, root=root, encrypt=encrypt, guests=guests)
    if domain is not None:
        own = _DOMAIN.format(realm=REALM, keytab=domain.keytab)
        text = text.replace("[global]\n", f"[global]\n{own}")
    settings.write_text(f"{text}  guest ok = yes\n" if anybody else text)
    # As much as is always left: the machine's own disk is written to by others meanwhile.
    left = place / "left"
    left.write_text("#!/bin/sh\necho 83886080 83886080 1024\n")
    left.chmod(0o755)
    (place / "users").write_text(f"root = {user} HVLAB\\{user} {user}@{REALM.lower()}\n")
    adding = (PDBEDIT, "--configfile", settings, "--create", "--user", "root", "--password-from-stdin")
    subprocess.run(
        adding, input=f"{password}\n{password}\n", text=True, check=True, capture_output=True, timeout=60
    )
    command = (SMBD, "--foreground", "--no-process-group", "--configfile", settings)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            loopback.until_listens(port)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it and its children, which no one else is among
