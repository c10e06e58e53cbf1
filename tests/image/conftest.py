"""The machine that the gate booted. Run by packer/appliance.pkr.hcl, over SSH and through the agent's API."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.fleet import client
from image import subject
from image.subject import Subject
from tests.image import controller


@pytest.fixture(scope="session")
def machine() -> Subject:
    """Who it is, and how it is reached."""
    path = os.environ.get("CAUSEWAY_MACHINE")
    assert path is not None, "these tests look at a machine that runs: make image-test boots one"
    return subject.load(Path(path))


@pytest.fixture(scope="session")
def enrolled(machine: Subject) -> Subject:
    """The same once its controller has made it its own."""
    asyncio.run(controller.enrol(machine))
    return machine


@pytest_asyncio.fixture
async def agent(enrolled: Subject) -> AsyncIterator[client.AgentClient]:
    """Its agent, which has nothing to do again afterwards."""
    async with controller.open_agent(enrolled) as opened:
        yield opened
        await controller.calm(opened)
