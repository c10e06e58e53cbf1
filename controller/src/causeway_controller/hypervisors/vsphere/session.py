"""A login at a vCenter or ESXi: kept, made anew when it ended, and asked in threads with a deadline."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar
from xml.parsers.expat import ExpatError

from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.kept import Kept
from causeway_controller.hypervisors.shared import DroppedError, Shared
from causeway_controller.hypervisors.threads import in_thread
from causeway_controller.hypervisors.vsphere import binding
from causeway_controller.hypervisors.vsphere.binding import Login

CONNECT_SECONDS: Final = 60.0
SECONDS: Final = 90.0
END_SECONDS: Final = 5.0
"""For a login to end, when the controller does."""
LOST: Final = (OSError, http.client.HTTPException, ExpatError)
"""What a connection ends with; a certificate that is not the known one is an OSError, too."""
_NO_VSPHERE: Final = "see that its endpoint is right, `https://HOST/sdk`, and look who answers there"

Answer = TypeVar("Answer")


class Session:
    """Asks one vCenter or ESXi. `connect` blocks."""

    def __init__(self, host: str, connect: Callable[[], Login]) -> None:
        self._host = host
        self._kept = Kept(lambda: Shared(connect(), lambda login: login.end()), name="vsphere")

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
                self._kept.drop(login)
                text = f"host {self._host} did not answer within {seconds or 0:.0f} s"
                raise HypervisorError(text, cause=Cause.SLOW) from error
            except (*LOST, vim.fault.NotAuthenticated, DroppedError) as error:
                self._kept.drop(login)
                if not again:
                    text = f"host {self._host}: {_said(error)}"
                    raise HypervisorError(text, cause=_cause(error)) from error
                again = False
            except (vmodl.MethodFault, vmodl.RuntimeFault) as error:
                text = f"host {self._host}: {binding.words(error)}"
                raise HypervisorError(text, cause=_cause(error)) from error

    async def close(self) -> None:
        """Log out, waiting for that a little; who still asks is answered first. Raises nothing."""
        await self._kept.close(END_SECONDS)

    async def _logged_in(self) -> Shared[Login]:
        """The login; raises HypervisorError."""
        vim, vmodl = binding.load()
        try:
            return await self._kept.get(CONNECT_SECONDS)
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
            raise HypervisorError(text, cause=Cause.IDENTITY, advice=_NO_VSPHERE) from error


async def _answer(login: Shared[Login], question: Callable[[Any], Answer]) -> Answer:
    return await in_thread(lambda: login.ask(lambda held: question(held.service)), name="vsphere")


def _said(error: Exception) -> str:
    return binding.words(error) if hasattr(error, "msg") else tls.failure(error)


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
