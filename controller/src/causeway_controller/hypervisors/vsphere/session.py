"""A login at a vCenter or ESXi: kept, made anew when it ended, and asked in threads with a deadline."""

from __future__ import annotations

import asyncio
import functools
import http.client
from collections.abc import Callable
from typing import Any, Final, TypeVar
from xml.parsers.expat import ExpatError

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.threads import in_thread
from causeway_controller.hypervisors.vsphere import binding
from causeway_controller.hypervisors.vsphere.binding import Login

CONNECT_SECONDS: Final = 60.0
SECONDS: Final = 90.0
LOST: Final = (OSError, http.client.HTTPException, ExpatError)
"""What a connection ends with; a certificate that is not the known one is an OSError, too."""

Answer = TypeVar("Answer")


class Session:
    """Asks one vCenter or ESXi. `connect` blocks."""

    def __init__(self, host: str, connect: Callable[[], Login]) -> None:
        self._host = host
        self._connect = connect
        self._login: Login | None = None
        self._opening: asyncio.Future[Login] | None = None

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
                    return await in_thread(functools.partial(_ask, login, question), name="vsphere")
            except TimeoutError as error:
                self._drop(login)
                raise HypervisorError(
                    f"host {self._host} did not answer within {seconds or 0:.0f} s"
                ) from error
            except (*LOST, vim.fault.NotAuthenticated) as error:
                self._drop(login)
                if not again:
                    raise HypervisorError(f"host {self._host}: {_said(error)}") from error
                again = False
            except (vmodl.MethodFault, vmodl.RuntimeFault) as error:
                raise HypervisorError(f"host {self._host}: {binding.words(error)}") from error

    def _drop(self, login: Login) -> None:
        """Have the next question asked on a new login; this one is ended without waiting for it."""
        if self._login is login:
            self._login = None
            _ = in_thread(login.end, name="vsphere")

    async def _logged_in(self) -> Login:
        """The login; raises HypervisorError."""
        if self._login is not None:
            return self._login
        vim, vmodl = binding.load()
        if self._opening is None:
            self._opening = in_thread(self._connect, name="vsphere")
        opening = self._opening
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._login = await asyncio.shield(opening)
        except TimeoutError as error:
            raise HypervisorError(
                f"host {self._host} accepts nobody: no answer within {CONNECT_SECONDS:.0f} s"
            ) from error
        except vim.fault.InvalidLogin as error:
            raise HypervisorError(
                f"host {self._host} refuses user or password; put them into the secret of its login"
            ) from error
        except (vmodl.MethodFault, vmodl.RuntimeFault) as error:
            raise HypervisorError(f"host {self._host} cannot be reached: {binding.words(error)}") from error
        except LOST as error:
            raise HypervisorError(f"host {self._host} cannot be reached: {_said(error)}") from error
        except Exception as error:  # the binding raises it itself for what is no vSphere
            raise HypervisorError(f"host {self._host} cannot be reached: {error}") from error
        finally:
            # One that is still under way is for whoever asks next.
            if opening.done() and self._opening is opening:
                self._opening = None
        return self._login


def _ask(login: Login, question: Callable[[Any], Answer]) -> Answer:
    """The answer. The login is held by it: its connections stay open for whoever asked before."""
    return question(login.service)


def _said(error: Exception) -> str:
    return binding.words(error) if hasattr(error, "msg") else str(error) or "the connection was lost"
