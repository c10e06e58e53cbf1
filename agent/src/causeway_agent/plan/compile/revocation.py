"""Which certificates a document revokes, and whether it can mean it.

A list names serial numbers beside the authority that they count for, so it needs no signature, no date and no
issuer: a certificate revocation list would have all three, and an appliance that no controller reaches would
refuse everybody when the list expired (RFC 5280, 5.1.2.5).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from msgspec import UnsetType

from causeway_agent.plan.model import checks
from causeway_agent.plan.model.checks import Findings
from causeway_wire.desired import (
    Desired,
    GatewayRole,
    ProviderRole,
    Revoked,
    TenantRole,
    TunnelClient,
    TunnelServer,
)
from causeway_wire.observed import RevokedCertificate
from causeway_wire.problem import ProblemType
from causeway_wire.types import Pem, SerialNumber, TunnelId

_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_VERSION: Final = 0xA0
_LONG_FORM: Final = 0x80


def check_server(findings: Findings, tunnel: TunnelServer, base: str) -> None:
    """What the provider's end refuses."""
    refused = tunnel.revoked or ()
    check(findings, refused, f"{base}/revoked", own=tunnel.certificate, authority=tunnel.ca)


def check_client(findings: Findings, tunnel: TunnelClient, base: str) -> None:
    """What the tenant's end refuses: of the server, and of gateways."""
    refused, gateways = tunnel.revoked or (), tunnel.gateway_revoked or ()
    check(findings, refused, f"{base}/revoked", own=tunnel.certificate, authority=tunnel.ca)
    check(findings, gateways, f"{base}/gateway_revoked", authority=tunnel.gateway_ca)


def check_gateway(findings: Findings, role: GatewayRole) -> None:
    """What the gateway's TCP port refuses."""
    authorities = {tenant.id: tenant.ca for tenant in role.tenants}
    for index, tunnel in enumerate(role.tunnels):
        where = f"/role/tunnels/{index}/revoked"
        check(findings, tunnel.revoked or (), where, authority=authorities.get(tunnel.tenant))


def check(
    findings: Findings,
    revoked: Revoked,
    pointer: str,
    *,
    own: Pem | None = None,
    authority: Pem | None = None,
) -> None:
    """Each serial once, and none that would mean another certificate than the far end's.

    `own` is what this end shows, `authority` whoever signs the far end: both are PEM.
    """
    entries = [(serial, f"{pointer}/{index}") for index, serial in enumerate(revoked)]
    checks.distinct(findings, entries, "revoked certificate")
    if not entries:
        return
    mine, above = serials(own or ""), serials(authority or "")
    for serial, where in entries:
        if serial in above:
            detail = f"{serial} is the authority itself; put another one in its place instead"
            findings.add(ProblemType.INVALID, where, detail)
        elif serial in mine:
            detail = (
                f"{serial} is this end's own certificate; name it in the far end's document, where it is "
                "shown, and give this end another one"
            )
            findings.add(ProblemType.INVALID, where, detail)


def at_tunnels(document: Desired | None) -> Iterator[RevokedCertificate]:
    """What the document revokes at tunnels."""
    for tunnel, revoked in _at_tunnels(document):
        for serial in revoked or ():
            yield RevokedCertificate(serial=serial, at=tunnel)


def _at_tunnels(document: Desired | None) -> Iterator[tuple[TunnelId, Revoked | UnsetType]]:
    match document.role if document is not None else None:
        case ProviderRole(networks=networks):
            for network in networks:
                if network.tunnel is not None:
                    yield network.tunnel.id, network.tunnel.revoked
        case TenantRole(tunnel=tunnel) if tunnel is not None:
            yield tunnel.id, tunnel.revoked
            yield tunnel.id, tunnel.gateway_revoked
        case GatewayRole(tunnels=tunnels):
            for each in tunnels:
                yield each.tunnel, each.revoked
        case _:
            pass


def serials(text: Pem) -> frozenset[SerialNumber]:
    """Serial numbers of the certificates in this PEM text; what is none has none."""
    found = (_serial(block) for block in _BLOCK.findall(text))
    return frozenset(serial for serial in found if serial is not None)


def _serial(block: str) -> SerialNumber | None:
    """`Certificate ::= SEQUENCE { SEQUENCE { [0] version, INTEGER serialNumber, ...` (RFC 5280, 4.1), DER."""
    try:
        der = base64.b64decode("".join(block.split()), validate=True)
        body, _ = _value(der, _SEQUENCE)
        body, _ = _value(body, _SEQUENCE)
        if body[0] == _VERSION:
            _, body = _value(body, _VERSION)
        number, _ = _value(body, _INTEGER)
    except (binascii.Error, ValueError, IndexError):
        return None
    return f"{int.from_bytes(number):x}"


def _value(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Content of the first element, which must have this tag, and what follows it (X.690, 8.1)."""
    length, start = der[1], 2
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(der[2:start])
    if der[0] != tag or len(der) < start + length:
        raise ValueError("not the element that was expected")
    return der[start : start + length], der[start + length :]
