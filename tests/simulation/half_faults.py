"""Mistakes in how two sites do the halves of one failover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from causeway_controller.contract.halves import HalfOrder, HalfReport, HalfState, Word
from causeway_controller.failover import halves, steps
from causeway_controller.failover.steps import CloseHalf, OpenHalf, Stage
from causeway_controller.peers.half import HalfClient
from causeway_controller.store import halves as stored_halves
from causeway_controller.store.halves import Halves
from causeway_controller.workflows.holding import Holding
from tests.simulation.planting import Fault, Plant, nothing, silence

_LATER: Final = 1000
"""Epochs; more than any history takes."""


def _any_epoch(plant: Plant) -> None:
    real = Halves.order

    def order(self: Halves, tenant: str, name: str, wanted: HalfOrder, **more: Any) -> Any:
        return real(self, tenant, name, msgspec.structs.replace(wanted, epoch=_LATER), **more)

    plant.put(Halves, "order", order)


def _open_after_all(plant: Plant) -> None:
    real = stored_halves._wishes
    plant.put(stored_halves, "_wishes", lambda wanted, row, run: real(wanted, {**row, "word": None}, run))


def _keep_after_all(plant: Plant) -> None:
    real = stored_halves._wishes

    def wishes(wanted: HalfOrder, row: Any, run: str) -> dict[str, Any]:
        found = real(wanted, row, run)
        return found if wanted.word is not Word.KEEP else {**found, "word": Word.KEEP.value}

    plant.put(stored_halves, "_wishes", wishes)


def _kept_unheard(plant: Plant) -> None:
    async def confirm(self: HalfClient, identifier: str, *, epoch: int) -> HalfReport:
        return await self._order(identifier, HalfOrder(epoch=epoch, word=Word.KEEP))

    plant.put(HalfClient, "confirm", confirm)


def _gone_is_kept(plant: Plant) -> None:
    async def confirm(self: HalfClient, identifier: str, *, epoch: int) -> HalfReport:
        report = await self._order(identifier, HalfOrder(epoch=epoch, word=Word.KEEP))
        return await self._until(identifier, report, HalfState.HELD, self.patience.open)

    plant.put(HalfClient, "confirm", confirm)


def _ordered_is_granted(plant: Plant) -> None:
    async def extend(self: HalfClient, identifier: str, *, seconds: int, epoch: int) -> HalfReport:
        return await self._order(identifier, HalfOrder(epoch=epoch, hold=seconds))

    plant.put(HalfClient, "extend", extend)


class _Heedless(HalfClient):
    async def _until(
        self,
        half: str,
        report: HalfReport,
        state: HalfState,
        patience: float,
        *,
        heard: bool = False,
    ) -> HalfReport:
        return msgspec.structs.replace(report, state=HalfState.GONE)


def _ended_unheard(plant: Plant) -> None:
    async def close(self: HalfClient, *arguments: Any, **more: Any) -> bool:
        told = _Heedless(connect=self.connect, name=self.name, run=self.run, patience=self.patience)
        return bool(await real(told, *arguments, **more))

    real = plant.put(HalfClient, "close", close)


def _never_ended(plant: Plant) -> None:
    async def close(*_: object, **__: object) -> bool:
        return True

    plant.put(HalfClient, "close", close)


def _confirm_backwards(plant: Plant) -> None:
    real = steps.confirmations

    def confirmations(first: str, *others: str) -> list[Stage]:
        return list(reversed(list(real(first, *others))))

    plant.put(halves, "confirmations", confirmations)


def _half_comes_last(plant: Plant) -> None:
    _reordered(plant, "begin", OpenHalf, by=1.5)


def _half_ends_first(plant: Plant) -> None:
    _reordered(plant, "undo", CloseHalf, by=-1.5)


def _reordered(plant: Plant, name: str, kind: type, *, by: float) -> None:
    """Have the stage of this kind of action come so much later."""
    real = getattr(halves, name)

    def reordered(*arguments: Any, **more: Any) -> tuple[Any, ...]:
        found = real(*arguments, **more)

        def place(stage: float) -> float:
            moved = any(isinstance(one.action, kind) for one in found if one.stage == stage)
            return stage + by if moved else stage

        order = sorted({one.stage for one in found}, key=place)
        numbers = {stage: number for number, stage in enumerate(order, min(order))}
        return tuple(
            sorted((replace(one, stage=numbers[one.stage]) for one in found), key=lambda one: one.stage)
        )

    plant.put(halves, name, reordered)


def _refused_is_unopened(plant: Plant) -> None:
    plant.put(Halves, "unopened", lambda self, run: self._set(run, {"run": None}))
    plant.put(Halves, "opened", silence)


async def _forget_hold(self: Holding, run: Any, _appliance: str, half: Any) -> None:
    """Say that it was done."""
    assert self.words is not None
    self.words.give(run.id, half.asked)


FAULTS: Final = (
    Fault("any-epoch-of-half", "a half obeys the older of two controllers too", _any_epoch, linked=True),
    Fault(
        "refused-is-unopened",
        "an order that came twice and is refused once parts the half from its run",
        _refused_is_unopened,
        linked=True,
    ),
    Fault("open-after-all", "a half is opened that was taken back before", _open_after_all, linked=True),
    Fault("keep-after-all", "a half is kept that was taken back", _keep_after_all, linked=True),
    Fault(
        "kept-unheard", "the tenant's half is confirmed before the provider's is", _kept_unheard, linked=True
    ),
    Fault("gone-is-kept", "a provider's half that is gone counts as kept", _gone_is_kept, linked=True),
    Fault(
        "ordered-is-granted",
        "a half that shall wait longer counts as one that does",
        _ordered_is_granted,
        linked=True,
    ),
    Fault(
        "ended-unheard",
        "the provider's half counts as ended when it was told so",
        _ended_unheard,
        linked=True,
    ),
    Fault("half-never-ended", "the provider is never told that its half is over", _never_ended, linked=True),
    Fault(
        "half-confirmed-last",
        "the provider's half is kept after the tenant's",
        _confirm_backwards,
        linked=True,
    ),
    Fault(
        "half-comes-last",
        "production's appliance answers before the provider serves",
        _half_comes_last,
        linked=True,
    ),
    Fault("half-ends-first", "an undo ends the provider's half first", _half_ends_first, linked=True),
    Fault(
        "let-go-at-once",
        "the provider's run takes back what the tenant's appliance may rely on",
        lambda plant: plant.put(Holding, "let_go", nothing),
        linked=True,
    ),
    Fault(
        "hold-nothing",
        "the provider's run is told to hold on, and does not",
        lambda plant: plant.put(Holding, "_extend", _forget_hold),
        linked=True,
    ),
)
