"""Certificates of the lab that are to be refused, or accepted again, and how they are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causeway_controller.inventory.tenancy import Holder, Revocation
from causeway_controller.trust import pki
from causeway_lab.assembly.lab import Lab, LabError
from causeway_lab.service import protocol
from causeway_lab.world.steps import step


async def revoke(lab: Lab, order: protocol.RevocationOrder) -> None:
    """Have a certificate refused by everybody who could be shown it. Raises LabError for an unknown name."""
    found = _meant(lab, order)
    with step(f"Refuse certificate {found.serial} of a {found.holder.value}", lab.listener):
        await lab.revoke(found)


async def take_back(lab: Lab, serial: str) -> None:
    """Have it accepted again. Raises LabError when it is not revoked."""
    if serial not in {each.serial for each in lab.site.revoked}:
        raise LabError(f"{serial} is not revoked; causeway lab status --json shows what is")
    with step(f"Accept certificate {serial} again", lab.listener):
        await lab.take_back(serial)


def status(lab: Lab) -> tuple[protocol.RevocationStatus, ...]:
    """What is revoked, oldest first."""
    return tuple(
        protocol.RevocationStatus(
            serial=each.serial, holder=each.holder.value, tenant=each.tenant, tunnel=each.tunnel
        )
        for each in lab.site.revoked
    )


def _meant(lab: Lab, order: protocol.RevocationOrder) -> Revocation:
    holder = Holder(order.holder)
    match holder:
        case Holder.CLIENT | Holder.SERVER:
            return _of_tunnel(lab, holder, order)
        case Holder.GATEWAY:
            return Revocation(serial=order.serial or _of_gateway(lab, order.of), holder=holder)
        case Holder.CONTROLLER:
            if order.serial is None:
                raise LabError("name the controller's certificate by its serial number: --serial 3fa2...")
            return Revocation(serial=order.serial, holder=holder)


def _of_tunnel(lab: Lab, holder: Holder, order: protocol.RevocationOrder) -> Revocation:
    tenant, _, network = (order.of or "").partition("/")
    networks = lab.tenant(tenant).networks
    if network not in networks:
        raise LabError(f"{order.of!r} is no network; write one of {', '.join(_names(tenant, networks))}")
    tunnel = networks[network].tunnel
    held = lab.site.credentials[tenant].tunnels[tunnel]
    of_client = holder is Holder.CLIENT
    name, shown = (
        (held.client_name, held.client_certificate)
        if of_client
        else (held.server_name, held.server_certificate)
    )
    serial = order.serial or pki.serial(shown)
    return Revocation(serial=serial, holder=holder, tenant=tenant, tunnel=tunnel, name=name)


def _of_gateway(lab: Lab, name: str | None) -> str:
    certificates = lab.site.gateway_credentials.certificates
    if name is None or name not in certificates:
        raise LabError(f"{name!r} is no gateway; write one of {', '.join(certificates)}")
    return pki.serial(certificates[name])


def _names(tenant: str, networks: Iterable[str]) -> Iterator[str]:
    return (f"{tenant}/{network}" for network in networks)
