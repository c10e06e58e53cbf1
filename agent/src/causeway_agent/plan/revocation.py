"""Whether a document can mean what it revokes.

A list names serial numbers beside the authority that they count for, so it needs no signature, no date and no
issuer: a certificate revocation list would have all three, and an appliance that no controller reaches would
refuse everybody when the list expired (RFC 5280, 5.1.2.5).
"""

from __future__ import annotations

from causeway_agent.plan import checks
from causeway_agent.plan.checks import Findings
from causeway_wire.desired import Revoked


def check(findings: Findings, revoked: Revoked, pointer: str) -> None:
    """Each serial number once."""
    entries = ((serial, f"{pointer}/{index}") for index, serial in enumerate(revoked))
    checks.distinct(findings, entries, "revoked certificate")
