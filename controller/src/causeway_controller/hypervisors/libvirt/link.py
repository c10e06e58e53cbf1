"""One connection of the binding's, used by several threads.

The binding closes it when the object is let go of, in whichever thread that is, and another thread's call may
be under way. So it is closed here and nowhere else: in a thread, and after the last call.
"""

from __future__ import annotations

import contextlib
from typing import Any

from causeway_controller.hypervisors.shared import DroppedError, Shared


class Link(Shared[Any]):
    """A connection until it is dropped."""

    def __init__(self, connection: Any, *, refusal: type[Exception]) -> None:
        """`refusal`: what the binding raises."""

        def close(ending: Any) -> None:
            with contextlib.suppress(refusal):
                ending.close()

        super().__init__(connection, close)
        self._refusal = refusal

    def __del__(self) -> None:
        self.drop()

    def alive(self) -> bool:
        """Whether it can be asked, as far as is known here."""
        try:
            return bool(self.ask(lambda connection: connection.isAlive()))
        except (DroppedError, self._refusal):
            return False
