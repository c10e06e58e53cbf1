"""A Hyper-V host of the tests: modelled cmdlets behind real TLS, NTLM, Kerberos, WSMan, PSRP, SMB 3."""

from __future__ import annotations

import os
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

from tests.hyperv import remoting, samba
from tests.hyperv.domain import REALM, Domain
from tests.hyperv.remoting import Remoting
from tests.hyperv.things import Vm
from tests.hyperv.windows import DIRECTORY, SHARE, Windows
from tests.vcenter import pin_of

__all__ = ("DIRECTORY", "DOMAIN", "PASSWORD", "SWITCHES", "USER", "HypervHost", "running")
USER, PASSWORD, DOMAIN = "svc-causeway", "S3cret of tests", "HVLAB"
SWITCHES: Final = {
    uuid.UUID("5b2c1f0e-7d1a-4b8e-9f66-0a1b2c3d4e5f"): "Production",
    uuid.UUID("0f8a2b6c-11d2-4d53-8a1e-7c6b5a493827"): "Tenants",
}
THEIRS: Final = uuid.UUID("c0ffee00-0000-4000-8000-000000000001")
"""A VM of somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervHost:
    """It runs."""

    windows: Windows
    remoting: Remoting
    pin: str
    smb: int
    """The port of its files; 0: it shares none."""

    @property
    def port(self) -> int:
        return self.remoting.port

    def there(self) -> frozenset[str]:
        """All that it has: VMs, and what is in the folder of appliances and below."""
        folder = self.windows.root / "Cloud_Connect_Replication"
        return frozenset(
            (
                *(f"vm {one.id} {one.name}" for one in self.windows.vms),
                *(f"file {one.relative_to(folder)}" for one in folder.rglob("*")),
            )
        )


@asynccontextmanager
async def running(
    place: Path, *, files: bool = True, domain: Domain | None = None
) -> AsyncIterator[HypervHost]:
    """It, with a certificate of an authority of its own and, with `files`, its share.

    `domain`: which it belongs to, if to any.
    """
    own = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.configure_cert(context)
    pem = own.cert_chain_pems[0].bytes()
    root = place / "root"
    root.mkdir()
    windows = Windows(root, switches=dict(SWITCHES), vms=[Vm(name="db1", path=r"C:\VMs\db1", id=THEIRS)])
    served = Remoting(windows, ssl.PEM_cert_to_DER_cert(pem.decode()))
    users = place / "ntlm"
    users.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n:{USER}@{REALM.lower()}:{PASSWORD}\n")
    with ExitStack() as stack:
        port = 0
        if files:
            (place / "samba").mkdir()
            port = stack.enter_context(
                samba.running(
                    place / "samba", share=SHARE, root=root, user=USER, password=PASSWORD, domain=domain
                )
            )
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = str(users)
        try:
            async with remoting.listening(served, context):
                yield HypervHost(windows=windows, remoting=served, pin=pin_of(pem), smb=port)
        finally:
            os.environ.pop("NTLM_USER_FILE")
            if before is not None:
                os.environ["NTLM_USER_FILE"] = before
