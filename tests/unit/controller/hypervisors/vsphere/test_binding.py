"""What of a login is asked for once."""

from __future__ import annotations

from types import SimpleNamespace

from causeway_controller.hypervisors.vsphere.binding import Service


class Instance:
    """A service instance that counts what it is asked for."""

    def __init__(self) -> None:
        self._stub = object()
        self.asked: list[str] = []

    def RetrieveContent(self) -> SimpleNamespace:  # noqa: N802 - the binding's name
        self.asked.append("content")
        return SimpleNamespace(searchIndex="index")

    def CurrentTime(self) -> float:  # noqa: N802 - the binding's name
        self.asked.append("time")
        return float(len(self.asked))


def test_what_stays_the_same_is_asked_for_once_and_the_time_each_time() -> None:
    instance = Instance()
    service = Service(instance)
    assert [service.content.searchIndex for _ in range(3)] == ["index"] * 3
    assert service.CurrentTime() < service.CurrentTime()
    assert instance.asked == ["content", "time", "time"]
