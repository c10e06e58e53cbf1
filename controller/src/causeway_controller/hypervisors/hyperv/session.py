"""A login at a Hyper-V host: kept, made anew when it ended, and asked in threads with a deadline."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Final, TypeVar

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.hyperv.binding import Login, LostError
from causeway_controller.hypervisors.threads import in_thread

CONNECT_SECONDS: Final = 60.0
SECONDS: Final = 90.0

Answer = TypeVar("Answer")


class Session:
    """Asks one host. `connect` blocks."""

    def __init__(self, host: str, connect: Callable[[], Login]) -> None:
        self._host = host
        self._connect = connect
        self._login: Login | None = None
        self._opening: asyncio.Future[Login] | None = None

    async def ask(
        self, question: Callable[[Login], Answer], *, seconds: float | None = SECONDS, again: bool = True
    ) -> Answer:
        """Return the answer to a question of the login; ask once more where that is lost.

        Not so without `again`. Raises HypervisorError, also when there is no answer in time; the question may
        still be under way.
        """
        while True:
            login = await self._logged_in()
            try:
                async with asyncio.timeout(seconds):
                    return await in_thread(functools.partial(question, login), name="hyperv")
            except TimeoutError as error:
                self._drop(login)
                raise HypervisorError(
                    f"host {self._host} did not answer within {seconds or 0:.0f} s"
                ) from error
            except LostError as error:
                self._drop(login)
                if not again:
                    raise HypervisorError(f"host {self._host}: {error}") from error
                again = False
            except HypervisorError as error:
                raise HypervisorError(f"host {self._host}: {error}") from error

    def _drop(self, login: Login) -> None:
        """Have the next question asked on a new login; this one is ended without waiting for it."""
        if self._login is login:
            self._login = None
            _ = in_thread(login.end, name="hyperv")

    async def _logged_in(self) -> Login:
        """The login; raises HypervisorError."""
        if self._login is not None:
            return self._login
        if self._opening is None:
            self._opening = in_thread(self._connect, name="hyperv")
        opening = self._opening
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._login = await asyncio.shield(opening)
        except TimeoutError as error:
            raise HypervisorError(
                f"host {self._host} accepts nobody: no answer within {CONNECT_SECONDS:.0f} s"
            ) from error
        except LostError as error:
            raise HypervisorError(f"host {self._host} cannot be reached: {error}") from error
        except HypervisorError as error:
            raise HypervisorError(f"host {self._host} {error}") from error
        finally:
            # One that is still under way is for whoever asks next.
            if opening.done() and self._opening is opening:
                self._opening = None
        return self._login
