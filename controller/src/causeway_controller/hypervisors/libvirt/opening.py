"""A libvirt host of the inventory, opened: its endpoint, and the certificates in the secret of its login."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from causeway_controller import files
from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.libvirt import binding, refusals
from causeway_controller.hypervisors.libvirt.provider import LibvirtProvider
from causeway_controller.hypervisors.libvirt.session import Session
from causeway_controller.inventory import libvirt_names
from causeway_controller.inventory.libvirt_names import Transport
from causeway_wire.types import Secret

_BLOCK: Final = re.compile(
    r"-----BEGIN (?P<what>[A-Z ]+)-----\r?\n[A-Za-z0-9+/=\r\n]+-----END (?P=what)-----", re.ASCII
)
_AUTHORITY, _CERTIFICATE, _KEY = "cacert.pem", "clientcert.pem", "clientkey.pem"
"""What libvirt calls them in a directory."""
_AGAIN: Final = "enter it again: `cat certificate.pem key.pem authority.pem | causeway vault put LOGIN`"


def open_host(host: Host, login: Secret | None, image: Path) -> LibvirtProvider:
    """Return what commands this host; nothing is connected yet. Raises HypervisorError.

    `image`: the appliance's qcow2.
    """
    session = Session(host.id, connector(host, login))
    return LibvirtProvider(host=host.id, session=session, pool=host.storage.id, image=image)


def connector(host: Host, login: Secret | None) -> Callable[[], Any]:
    """Return what connects to it, blocking. Raises HypervisorError."""
    libvirt = binding.load()
    try:
        transport = libvirt_names.endpoint(host.endpoint)
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}") from error
    try:
        parts = None if login is None else certificates(login)
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}", cause=Cause.LOGIN, advice=_AGAIN) from error
    uri = host.endpoint
    if transport is Transport.SSH:
        # Never asks anybody: an unknown key or a missing one is refused.
        uri += ("&" if "?" in uri else "?") + "no_tty=1"
    if parts is not None and transport is not Transport.TLS:
        raise HypervisorError(f"host {host.id}: only qemu+tls:// logs in with a secret; leave its login out")

    def connect() -> Any:
        if parts is None:
            return libvirt.open(uri)
        try:
            verify(parts, now=datetime.now(UTC))
        except ValueError as error:
            raise HypervisorError(f"host {host.id}: {error}", cause=Cause.LOGIN, advice=_AGAIN) from error
        return _with_certificates(libvirt, uri, parts)

    return refusals.told(host.id, transport, connect, login=parts is not None)


def certificates(login: Secret) -> dict[str, str]:
    """Return the files that libvirt wants, out of PEM (RFC 7468): our certificate, its key, then authorities.

    Raises ValueError.
    """
    blocks = list(_BLOCK.finditer(login.reveal()))
    certified = [block.group() for block in blocks if block["what"] == "CERTIFICATE"]
    keys = [block.group() for block in blocks if block["what"].endswith("PRIVATE KEY")]
    if len(certified) < len((_CERTIFICATE, _AUTHORITY)) or len(keys) != 1:
        raise ValueError(
            "the secret of its login is to be PEM: our certificate, its key, and the authority that signed "
            f"the host's; certificates in it: {len(certified)}, keys: {len(keys)}"
        )
    ours, *authorities = certified
    return {_CERTIFICATE: ours, _KEY: keys[0], _AUTHORITY: "\n".join(authorities)}


def verify(parts: Mapping[str, str], *, now: datetime) -> None:
    """Raise ValueError unless our certificate counts at this time and its key fits: libvirt tells neither."""
    try:
        ours = x509.load_pem_x509_certificate(parts[_CERTIFICATE].encode())
        key = serialization.load_pem_private_key(parts[_KEY].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("our certificate or its key in the secret of its login cannot be read") from error
    if key.public_key() != ours.public_key():
        raise ValueError("the key in the secret of its login is not the one of our certificate there")
    if not ours.not_valid_before_utc <= now <= ours.not_valid_after_utc:
        raise ValueError(
            "our certificate in the secret of its login counts only from "
            f"{ours.not_valid_before_utc:%Y-%m-%d %H:%M} to {ours.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )


def _with_certificates(libvirt: Any, uri: str, parts: dict[str, str]) -> Any:
    """A connection by these. libvirt reads files only, and only while it connects.

    Its check of our own certificate is left out: it wants ours signed by the host's authority, and not by
    one of controllers. The host's is verified all the same, by name and authority.
    """
    with tempfile.TemporaryDirectory(prefix="causeway-libvirt-") as directory:
        for name, text in parts.items():
            files.write(Path(directory) / name, f"{text}\n".encode(), mode=files.PRIVATE)
        return libvirt.open(f"{uri}?no_sanity=1&pkipath={quote(directory)}")
