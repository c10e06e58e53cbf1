"""Names with values: the headers of a request, the parameters of its query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


class Fields(Mapping[str, str]):
    """The first value of each name, in the order they came; `getall` has the others too.

    `fold` makes the names alike that count as one.
    """

    __slots__ = ("_fold", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]], *, fold: Callable[[str], str] = str) -> None:
        self._fold = fold
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(fold(name), []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._values[self._fold(name)][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getall(self, name: str) -> Sequence[str]:
        """All values of this name; none when it is not here."""
        return self._values.get(self._fold(name), ())
