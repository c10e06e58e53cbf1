"""Routes of certificates; part of the staff's table."""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.certificates import (
    CertificateReport,
    Certificates,
    RevokeCertificate,
    Revoked,
)
from causeway_controller.contract.routes import BODY, READ, Route

CERTIFICATES = Route(
    name="certificates",
    method="GET",
    path="/v1/certificates",
    summary="Certificates that this controller's authorities have signed, the newest first",
    permission=Permission.OBSERVE,
    response=Certificates,
    query=("tenant", "bearer", "appliance", "counts", "revoked", "cursor", "limit"),
    problems=READ,
)
CERTIFICATE = Route(
    name="certificate",
    method="GET",
    path="/v1/certificates/{serial}",
    summary="One certificate: whose, until when, and what became of it",
    permission=Permission.OBSERVE,
    response=CertificateReport,
    problems=READ,
)
REVOKE_CERTIFICATE = Route(
    name="revoke_certificate",
    method="POST",
    path="/v1/certificates/{serial}/revoke",
    summary="Revoke a certificate and all others of its key, for ever; again changes nothing",
    permission=Permission.REVOKE,
    request=RevokeCertificate,
    response=Revoked,
    query=("dry_run",),
    problems=(*BODY,),
)

CERTIFICATE_ROUTES: Final = (CERTIFICATES, CERTIFICATE, REVOKE_CERTIFICATE)
