"""Small questions to vSphere's API that every other file here asks. Blocking."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.vsphere import binding
from causeway_controller.inventory.findings import some

TASK_SECONDS: Final = 300.0
_POLL: Final = 0.05
_LONGEST_POLL: Final = 1.0


def finish(task: Any, *, seconds: float = TASK_SECONDS) -> Any:
    """Return what a task results in; raises its fault, and HypervisorError when it takes too long."""
    vim, _ = binding.load()
    service = vim.ServiceInstance("ServiceInstance", task._stub)  # noqa: SLF001 - as in `existing`
    deadline, pause = time.monotonic() + seconds, _POLL
    while True:
        # Of a task only what is needed: what else it tells is not always what the binding expects.
        ((_, told),) = read(service, (task,), vim.Task, "info.state", "info.result", "info.error")
        state = told.get("info.state")
        if state == vim.TaskInfo.State.success:
            return told.get("info.result")
        if state == vim.TaskInfo.State.error:
            raise told["info.error"]
        if time.monotonic() > deadline:
            raise HypervisorError(f"the host has not done within {seconds:.0f} s what it was asked for")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_POLL)


def identifier(thing: Any) -> str:
    """The managed object's id."""
    return str(thing._GetMoId())  # noqa: SLF001 - the binding has no other name for it


def all_of(service: Any, kind: Any, root: Any = None) -> Sequence[Any]:
    """Every object of this type below the root, which is the whole inventory where none is said."""
    below = service.content.rootFolder if root is None else root
    view = service.content.viewManager.CreateContainerView(container=below, type=[kind], recursive=True)
    try:
        return list(view.view)
    finally:
        view.Destroy()


def read(
    service: Any, things: Iterable[Any], kind: Any, *properties: str
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Each of these objects with those of the properties that it has, in one question."""
    _, vmodl = binding.load()
    collector = vmodl.query.PropertyCollector
    asked = [collector.ObjectSpec(obj=one) for one in things]
    if not asked:
        return
    wanted = collector.PropertySpec(type=kind, pathSet=list(properties))
    answer = service.content.propertyCollector.RetrievePropertiesEx(
        [collector.FilterSpec(objectSet=asked, propSet=[wanted], reportMissingObjectsInResults=True)],
        collector.RetrieveOptions(),
    )
    while answer is not None:
        for one in answer.objects:
            yield one.obj, {found.name: found.val for found in one.propSet}
        token = answer.token
        if not token:
            return
        answer = service.content.propertyCollector.ContinueRetrievePropertiesEx(token)


def existing(service: Any, kind: Any, moid: str) -> Any:
    """The object with this id, None where there is none."""
    _, vmodl = binding.load()
    found = kind(moid, service._stub)  # noqa: SLF001 - as the binding itself makes references
    try:
        found.name  # noqa: B018 - it is asked for
    except vmodl.fault.ManagedObjectNotFound:
        return None
    return found


def listed(things: Iterable[Any], most: int = 10) -> str:
    """Ids with their names, for whoever has to choose one."""
    told = [f"{identifier(one)} ({one.name})" for one in things]
    return some(told, most=most) or "none"
