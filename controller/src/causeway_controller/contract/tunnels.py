"""The tenant's end of a tunnel: what its appliance asks for through both controllers, and is given.

The private key stays on the appliance. What is given is the tenant's own and opens nothing else.
"""

from __future__ import annotations

from msgspec import Struct

from causeway_wire.desired import Document
from causeway_wire.types import IPAddress, KeyName, Name, NetworkId, Pem, TunnelId


class AskTunnel(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A request for the certificate of a tunnel's client."""

    request: Pem
    """PKCS #10, signed by the key (RFC 2986)."""
    replaces: bool = False
    """Whether the keys that were certified for this tunnel before are on a machine that is thrown away:
    their certificates are revoked with the signature.
    """


class InnerEnds(Struct, frozen=True, kw_only=True):
    """The tunnel's own addresses, of one IP version."""

    provider: IPAddress
    tenant: IPAddress


class TunnelEnd(Struct, frozen=True, kw_only=True):
    """What the tenant's appliance of a network needs besides its key."""

    network: NetworkId
    tunnel: TunnelId
    certificate: Pem
    authority: Pem
    """Of both ends; both check the other's name besides."""
    client_name: Name
    server_name: Name
    tls_crypt: str
    """The tunnel's tls-crypt-v2 client key: it keeps strangers' packets out."""
    gateway_authority: Pem
    """Of the gateways' TLS certificates, for tunnels over TCP."""
    inner: tuple[InnerEnds, ...]


class KeptEnd(TunnelEnd, frozen=True, kw_only=True):
    """As the tenant's controller keeps it."""

    key: KeyName = "vpn-client"
    """What the certified key is called on the appliance."""
    revoked: bool = False
    """Whether the provider has revoked the certificate since."""
    thrown_away: bool = False
    """Whether the machine that has the key was thrown away; the provider is told with the next key."""
