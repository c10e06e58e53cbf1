"""What tests have a run tell: events kept as a controller that carries it out keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from causeway_controller.store.run_news import Entry, News
from causeway_controller.store.runs import Runs
from causeway_controller.store.tenancies import Standing
from causeway_wire.types import Epoch


def append(
    runs: Runs, run: str, *, epoch: Epoch, kind: str, detail: str, at: datetime, left: Standing | None = None
) -> int:
    """Keep an event of an open run, and what its tenant's is from now on. As `Runs.keep_one`."""
    return append_all(runs, run, (News(kind=kind, detail=detail, at=at),), epoch=epoch, left=left)


def append_all(
    runs: Runs, run: str, news: Sequence[News], *, epoch: Epoch, left: Standing | None = None
) -> int:
    """Keep events of an open run in one transaction. As `Runs.keep_one`."""
    return runs.keep_one(Entry(run=run, epoch=epoch, news=news, left=left))


def finish(
    runs: Runs, run: str, *, epoch: Epoch, kind: str, detail: str, at: datetime, left: Standing | None = None
) -> int:
    """Keep the last event of a run and close it, with what it left its tenant. As `Runs.keep_one`."""
    last = News(kind=kind, detail=detail, at=at)
    return runs.keep_one(Entry(run=run, epoch=epoch, news=(last,), left=left, ends=True))
