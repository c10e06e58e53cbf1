"""A login at a vCenter or ESXi: kept, made anew when it ended, and asked in threads with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar
from xml.parsers.expat import ExpatError

from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.shared import DroppedError, Shared
from causeway_controller.hypervisors.threads import failed, in_thread
from causeway_controller.hypervisors.vsphere import binding
from causeway_controller.hypervisors.vsphere.binding import Login

CONNECT_SECONDS: Final = 60.0
SECONDS: Final = 90.0
END_SECONDS: Final = 5.0
"""For a login to end, when the controller does."""
LOST: Final = (OSError, http.client.HTTPException, ExpatError)
"""What a connection ends with; a certificate that is not the known one is an OSError, too."""

Answer = TypeVar("Answer")


class Session:
    """Asks one vCenter or ESXi. `connect` blocks."""

    def __init__(self, host: str, connect: Callable[[], Login]) -> None:
        self._host = host
        self._connect = connect
        self._login: Shared[Login] | None = None
        self._opening: asyncio.Future[Shared[Login]] | None = None

    async def ask(
        self, question: Callable[[Any], Answer], *, seconds: float | None = SECONDS, again: bool = True
    ) -> Answer:
        """Return the answer to a question of the service instance; ask once more where the login is lost.

        Not so without `again`. Raises HypervisorError, also when there is no answer in time; the question may
        still be under way.
        """
        vim, vmodl = binding.load()
        while True:
            login = await self._logged_in()
            try:
                async with asyncio.timeout(seconds):
                    return await _answer(login, question)
            except TimeoutError as error:
                self._drop(login)
                text = f"host {self._host} did not answer within {seconds or 0:.0f} s"
                raise HypervisorError(text, cause=Cause.SLOW) from error
            except (*LOST, vim.fault.NotAuthenticated, DroppedError) as error:
                self._drop(login)
                if not again:
                    text = f"host {self._host}: {_said(error)}"
                    raise HypervisorError(text, cause=_cause(error)) from error
                again = False
            except (vmodl.MethodFault, vmodl.RuntimeFault) as error:
                text = f"host {self._host}: {binding.words(error)}"
                raise HypervisorError(text, cause=_cause(error)) from error

    async def close(self) -> None:
        """Log out, waiting for that a little; who still asks is answered first. Raises nothing."""
        opening = self._opening
        if opening is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(END_SECONDS):
                    self._login = await asyncio.shield(opening)
        login = self._login
        if login is not None:
            self._drop(login)
            await in_thread(lambda: login.wait(END_SECONDS), name="vsphere")

    def _drop(self, login: Shared[Login]) -> None:
        """Have the next question asked on a new login; this one ends when its last question is answered."""
        if self._login is login:
            self._login = None
        login.drop()

    def _open(self) -> Shared[Login]:
        return Shared(self._connect(), lambda login: login.end())

    async def _logged_in(self) -> Shared[Login]:
        """The login; raises HypervisorError."""
        if self._login is not None:
            return self._login
        vim, vmodl = binding.load()
        if self._opening is None or failed(self._opening):
            self._opening = in_thread(self._open, name="vsphere")
        opening = self._opening
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._login = await asyncio.shield(opening)
        except TimeoutError as error:
            text = f"host {self._host} accepts nobody: no answer within {CONNECT_SECONDS:.0f} s"
            raise HypervisorError(text, cause=Cause.SLOW) from error
        except vim.fault.InvalidLogin as error:
            text = f"host {self._host} refuses user or password; put them into the secret of its login"
            raise HypervisorError(text, cause=Cause.LOGIN) from error
        except (vmodl.MethodFault, vmodl.RuntimeFault) as error:
            text = f"host {self._host} lets nobody in: {binding.words(error)}"
            raise HypervisorError(text, cause=_cause(error)) from error
        except LOST as error:
            text = f"host {self._host} cannot be reached: {_said(error)}"
            raise HypervisorError(text, cause=_cause(error)) from error
        except Exception as error:  # the binding raises it itself for what is no vSphere
            text = f"host {self._host} is no vSphere that we understand: {error}"
            raise HypervisorError(text, cause=Cause.IDENTITY) from error
        finally:
            # One that is still under way is for whoever asks next.
            if opening.done() and self._opening is opening:
                self._opening = None
        return self._login


async def _answer(login: Shared[Login], question: Callable[[Any], Answer]) -> Answer:
    return await in_thread(lambda: login.ask(lambda held: question(held.service)), name="vsphere")


def _said(error: Exception) -> str:
    return binding.words(error) if hasattr(error, "msg") else str(error) or "the connection was lost"


def _cause(error: Exception) -> Cause:
    """Why it was not done, by what the binding raised."""
    vim, _ = binding.load()
    causes = (
        (ssl.SSLCertVerificationError, Cause.IDENTITY),
        (LOST, Cause.UNREACHED),
        (DroppedError, Cause.UNREACHED),
        (vim.fault.NotAuthenticated, Cause.LOGIN),
        (vim.fault.NoPermission, Cause.RIGHTS),
    )
    return next((cause for kind, cause in causes if isinstance(error, kind)), Cause.REFUSED)
