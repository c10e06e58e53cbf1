"""How a host over TLS is known, and who logs in there, out of the inventory and the secret of its login."""

from __future__ import annotations

import ssl

from msgspec import UNSET

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.inventory import host_names
from causeway_wire.types import Secret


def user(host: Host, login: Secret | None, product: str) -> tuple[str, Secret]:
    """Return the user and the password. Raises HypervisorError where the secret has none, or there is none.

    `product`: what lets nobody in then.
    """
    if login is None:
        text = f"host {host.id}: {product} lets nobody in without a user; name a `login`"
        raise HypervisorError(text, cause=Cause.LOGIN)
    try:
        name, password = host_names.login(login.reveal())
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}", cause=Cause.LOGIN) from error
    return name, Secret(password)


def context(host: Host) -> ssl.SSLContext:
    """Return what knows the host by its pin, or else by the authorities of the system."""
    return tls.by_authorities() if host.pin is UNSET else tls.by_key(host.pin)
