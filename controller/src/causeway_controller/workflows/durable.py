"""The engine of runs that outlive controllers, on DBOS; nothing else knows it (decision 29).

DBOS is the queue, and knows who holds which run; only ids go into it. What a run did is remembered with its
events (`run_record`). It listens on no port and tells nobody anything.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, Self

from causeway_controller.workflows.lean_import import lean
from causeway_controller.workflows.ports import Body, EngineState
from causeway_wire.types import Name

with lean():
    from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer

_VERSION: Final = "runs-1"
"""Of what is remembered: only executions of the same one carry on each other's runs. Raised when a release
must not carry on the runs of the one before.
"""
_QUEUE: Final = "runs"
_WORKFLOW: Final = "run"
_SCHEMA: Final = "causeway_engine"
_THREADS: Final = 64
"""Unlimited, a thousand runs that begin at once begin a thousand threads, and nothing gets through."""
_AT_ONCE: Final = 200
"""Runs that one controller carries out at once; the others wait for their turn."""
_ATTEMPTS: Final = 1000
"""Before DBOS gives a run up; `resume` begins the count anew."""
_CHUNK: Final = 200
"""Runs that are forgotten at once."""
_STATES: Final = {
    "SUCCESS": EngineState.ENDED,
    "ERROR": EngineState.ENDED,
    "CANCELLED": EngineState.GIVEN_UP,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": EngineState.GIVEN_UP,
}
"""All others go on."""


class DurableEngine:
    """One per process: DBOS allows no second. Open it within the event loop that carries the runs out."""

    def __init__(
        self,
        url: str,
        *,
        controller: Name,
        body: Body,
        polling: float = 0.25,
    ) -> None:
        """`url`: where the engine keeps its tables (`store.database.beside`).

        `controller` names this process and no other, ever. `polling`: seconds between two looks for work.
        """
        self._url = url
        self._controller = controller
        self._body = body
        self._polling = polling

    async def __aenter__(self) -> Self:
        DBOS(config=self._config())
        logger = logging.getLogger("dbos")
        logger.handlers.clear()  # it would write to our standard error by itself
        logger.propagate = True

        @DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=_ATTEMPTS)
        async def run(identifier: str) -> None:
            await self._body(identifier)

        DBOS.launch()
        await DBOS.register_queue_async(
            _QUEUE,
            partition_concurrency=1,
            worker_concurrency=_AT_ONCE,
            polling_interval_sec=self._polling,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        # DBOS makes the loop's executor its own, and has ended it: whoever comes after needs another one.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())

    async def submit(self, run: str, *, key: str) -> None:
        """Have the run carried out; again changes nothing."""
        await DBOS.enqueue_workflow_with_options_async(
            {
                "workflow_name": _WORKFLOW,
                "queue_name": _QUEUE,
                "workflow_id": run,
                "queue_partition_key": key,
                "app_version": _VERSION,
            },
            run,
        )

    async def resume(self, run: str) -> None:
        """Have a run that was given up tried again."""
        await DBOS.resume_workflow_async(run, queue_name=_QUEUE)

    async def adopt(self, alive: frozenset[Name]) -> int:
        """Put what dead controllers hold back into the queue; say how many runs that is.

        By level, not by edge: who dies in between has lost nothing, and two who do it at once do it once.
        """
        held = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        dead = sorted({one.executor_id for one in held if one.executor_id} - alive)
        if not dead:
            return 0
        return len(await asyncio.to_thread(DBOS._recover_pending_workflows, dead))  # noqa: SLF001 - see tests

    async def states(self, runs: tuple[str, ...]) -> dict[str, EngineState]:
        """Return how far those of these are that are known."""
        found = await DBOS.list_workflows_async(workflow_ids=list(runs), load_input=False, load_output=False)
        return {one.workflow_id: _STATES.get(one.status, EngineState.GOES_ON) for one in found}

    async def forget(self, before: datetime, *, but: frozenset[str]) -> int:
        """Remove what is remembered of runs that ended before, other than these; say how many.

        What came of them is in our own tables. A chunk at a time: the lease's database must not wait.
        """
        old = await DBOS.list_workflows_async(
            status=[status for status, state in _STATES.items() if state is EngineState.ENDED],
            completed_before=before.isoformat(),
            limit=_CHUNK + len(but),
            load_input=False,
            load_output=False,
        )
        names = [one.workflow_id for one in old if one.workflow_id not in but][:_CHUNK]
        if names:
            await DBOS.delete_workflows_async(names)
        return len(names)

    def _config(self) -> DBOSConfig:
        return {
            "name": "causeway",
            "system_database_url": self._url,
            "dbos_system_schema": _SCHEMA,
            "executor_id": self._controller,
            "application_version": _VERSION,
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": _THREADS,
            "use_listen_notify": False,
            "enable_otlp": False,
            "log_level": "WARNING",
        }
