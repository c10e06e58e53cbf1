"""What the agent's own socket serves beyond the API: questions only an engineer on the machine asks."""

from __future__ import annotations

from aiohttp import web

from causeway_agent.engine.service import Engine


def mount(application: web.Application, engine: Engine) -> None:
    """Add the routes of the socket."""
