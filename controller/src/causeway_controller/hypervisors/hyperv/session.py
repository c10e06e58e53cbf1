"""A login at a Hyper-V host: kept, made anew when it ended, and asked in threads with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.hyperv.binding import Login, LostError
from causeway_controller.hypervisors.kept import Kept
from causeway_controller.hypervisors.shared import DroppedError, Shared
from causeway_controller.hypervisors.threads import in_thread

CONNECT_SECONDS: Final = 60.0
SECONDS: Final = 90.0
END_SECONDS: Final = 5.0
"""For a login to end, when the controller does."""

Answer = TypeVar("Answer")


class Session:
    """Asks one host. `connect` blocks."""

    def __init__(self, host: str, connect: Callable[[], Login]) -> None:
        self._host = host
        self._kept = Kept(lambda: Shared(connect(), lambda login: login.end()), name="hyperv")

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
                    return await _answer(login, question)
            except TimeoutError as error:
                self._kept.drop(login)
                text = f"host {self._host} did not answer within {seconds or 0:.0f} s"
                raise HypervisorError(text, cause=Cause.SLOW) from error
            except (LostError, DroppedError) as error:
                self._kept.drop(login)
                if not again and isinstance(error, LostError):
                    text = f"host {self._host}: {str(error) or 'the connection was lost'}"
                    raise HypervisorError(text, cause=getattr(error, "cause", Cause.UNREACHED)) from error
                again = again and isinstance(error, DroppedError)
            except HypervisorError as error:
                raise HypervisorError(f"host {self._host}: {error}", cause=error.cause) from error

    async def close(self) -> None:
        """End the login, waiting for that a little; who still asks is answered first. Raises nothing."""
        await self._kept.close(END_SECONDS)

    async def _logged_in(self) -> Shared[Login]:
        """The login; raises HypervisorError."""
        try:
            return await self._kept.get(CONNECT_SECONDS)
        except TimeoutError as error:
            text = f"host {self._host} accepts nobody: no answer within {CONNECT_SECONDS:.0f} s"
            raise HypervisorError(text, cause=Cause.SLOW) from error
        except LostError as error:
            text = f"host {self._host} cannot be reached: {error}"
            raise HypervisorError(text, cause=error.cause) from error
        except HypervisorError as error:
            raise HypervisorError(f"host {self._host} {error}", cause=error.cause) from error


async def _answer(login: Shared[Login], question: Callable[[Login], Answer]) -> Answer:
    def asked(login: Login) -> Answer:
        if login.identity.stale():
            raise DroppedError
        return question(login)

    return await in_thread(lambda: login.ask(asked), name="hyperv")
