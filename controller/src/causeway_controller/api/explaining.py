"""The handler that tells why a packet does or does not get from A to B."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from causeway_controller.api.exchange import Answer, Ask, Handler, malformed
from causeway_controller.api.ports import ExplainService
from causeway_controller.contract import explain_routes
from causeway_controller.contract.explain import KINDS, Question
from causeway_wire.types import IPAddress

_PORT: Final = re.compile(r"[0-9]{1,5}")
_MAX_PORT: Final = 65535
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_NUMBERS: Final = re.compile(r"[0-9./]+")
"""A mistyped address, or a network: no VM is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainHandlers:
    """Has who can ask the appliances do it."""

    service: ExplainService

    def handlers(self) -> Mapping[str, Handler]:
        """By the name of the route."""
        return {explain_routes.EXPLAIN.name: self.explain}

    async def explain(self, ask: Ask) -> Answer:
        """Ask everything on the packet's way."""
        kind, port = ask.query.get("kind", ""), ask.query.get("port", "")
        if kind and kind not in KINDS:
            raise malformed(f"kind is one of {', '.join(KINDS)}")
        if port and (_PORT.fullmatch(port) is None or int(port) > _MAX_PORT):
            raise malformed(f"port is a whole number from 0 to {_MAX_PORT}")
        asked = Question(
            source=_end(ask, "source"),
            destination=_end(ask, "destination"),
            kind=kind,
            port=port,
            tenant=ask.query.get("tenant"),
            host=ask.query.get("host"),
        )
        return Answer(document=await self.service.explain(asked))


def _end(ask: Ask, name: str) -> IPAddress | str:
    text = ask.query.get(name, "")
    try:
        return ip_address(text)
    except ValueError as error:
        if _NAME.fullmatch(text) is None or _NUMBERS.fullmatch(text):
            raise malformed(
                f"{name} is an IP address, such as 192.0.2.1 or 2001:db8::1, or a VM's name, such as web1 or "
                "TENANT/web1"
            ) from error
    return text
