"""The domain of a Hyper-V host of the tests: Debian's MIT KDC, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import loopback

KDC, CREATE, ADMIN = "/usr/sbin/krb5kdc", "/usr/sbin/kdb5_util", "/usr/sbin/kadmin.local"
FAKETIME: Final = "/usr/bin/faketime"
REALM: Final = "HVLAB.EXAMPLE"
SERVICES: Final = ("host/127.0.0.1", "cifs/127.0.0.1")
_CLIENTS: Final = """
[libdefaults]
  default_realm = {realm}
  dns_canonicalize_hostname = false
  dns_lookup_kdc = false
  clockskew = 1
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
"""
# A standalone Samba refuses tickets with the certificate of privileges (MS-PAC) that the KDC else adds.
_SERVER: Final = """
[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_name = {place}/principal
    key_stash_file = {place}/stash
    disable_pac = true
  }}
[logging]
  kdc = FILE:{place}/log
"""


def available() -> bool:
    """Whether this machine has it."""
    return all(shutil.which(one) is not None for one in (KDC, CREATE, ADMIN, FAKETIME))


@dataclass
class Domain:
    """Users, services and their keys; the KDC that knows them, while it runs."""

    place: Path
    port: int
    _running: subprocess.Popen[bytes] | None = None

    @property
    def keytab(self) -> Path:
        """The keys of the services."""
        return self.place / "keytab"

    def ask(self, words: str) -> None:
        """Have its administrator do this (kadmin(1))."""
        command = (ADMIN, "-r", REALM, "-q", words)
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def start(self, *, clock: str = "") -> None:
        """Have the KDC answer. `clock`: how far its clock is off, as `faketime` takes it."""
        wrapped = (FAKETIME, "-f", clock) if clock else ()
        self._running = subprocess.Popen(
            (*wrapped, KDC, "-n", "-r", REALM), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        loopback.until_listens(self.port, log=self.place / "log")

    def stop(self) -> None:
        """Have nobody answer."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None


@contextmanager
def running(place: Path, *, user: str, password: str) -> Iterator[Domain]:
    """It, with this user and the services of a host at 127.0.0.1; this process asks it."""
    port = loopback.free_port()
    (place / "krb5.conf").write_text(_CLIENTS.format(realm=REALM, port=port))
    (place / "kdc.conf").write_text(_SERVER.format(realm=REALM, port=port, place=place))
    domain = Domain(place, port)
    own = {
        "KRB5_CONFIG": str(place / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(place / "kdc.conf"),
        "KRB5_KTNAME": f"FILE:{domain.keytab}",
        "KRB5RCACHENAME": "none:",
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        command = (CREATE, "create", "-s", "-r", REALM, "-P", "of tests")
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        domain.ask(f'addprinc -pw "{password}" {user}')
        for service in SERVICES:
            domain.ask(f"addprinc -randkey {service}")
            domain.ask(f"ktadd -k {domain.keytab} {service}")
        domain.start()
        yield domain
    finally:
        domain.stop()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
