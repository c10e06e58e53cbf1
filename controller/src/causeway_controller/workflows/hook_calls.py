"""Calls the provider's hooks: a bounded command, or a POST over HTTPS. What they are is in the settings.

Both are told the same: the run, the moment, the request, the tenant and the VMs. A call may come again, when
a controller died before it could remember how the first one ended: the key is the same, and the hook answers
as if it had been called once. No secret is in an argument, an address or a command's environment.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import Final

import aiohttp
import msgspec

from causeway_controller.errors import HookFailed
from causeway_controller.failover.steps import Call
from causeway_controller.hypervisors.threads import in_thread
from causeway_controller.settings import HookTarget
from causeway_controller.trust import bounded_command
from causeway_controller.trust.bounded_command import CommandFailed
from causeway_wire.types import Name

_OCTETS: Final = 64 * 1024
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""All of the controller's environment that a command sees: the rest may have a password in it."""
_SUCCESS: Final = range(200, 300)


class HookCalls:
    """`workflows.ports.Hooks` as the settings say."""

    def __init__(self, targets: Mapping[Name, HookTarget]) -> None:
        self._targets = targets

    def known(self, hook: Name) -> bool:
        """Whether the settings name it."""
        return hook in self._targets

    async def call(self, call: Call, run: str) -> None:
        """Call it and wait until it is done. Raises HookFailed."""
        target = self._targets.get(call.hook)
        if target is None:
            raise HookFailed(call.hook, f"the controller's settings have none; enter hooks.{call.hook}.call")
        if target.command:
            await self._run(target.command, call, run)
        else:
            await self._post(target, call, run)

    async def _run(self, command: tuple[str, ...], call: Call, run: str) -> None:
        told = {f"CAUSEWAY_{name.upper()}": text for name, text in _told(call, run).items()}
        try:
            # It may take a day, and threads that others share are those that ask the store.
            await in_thread(
                functools.partial(
                    bounded_command.output,
                    command,
                    seconds=call.timeout,
                    octets=_OCTETS,
                    environment={"PATH": _PATH, "LANG": "C.UTF-8", **told},
                ),
                name=f"hook {call.hook}",
            )
        except CommandFailed as error:
            raise HookFailed(call.hook, str(error)) from error

    async def _post(self, target: HookTarget, call: Call, run: str) -> None:
        told = _told(call, run)
        headers = {"Content-Type": "application/json", "Idempotency-Key": told["key"]}
        try:
            if target.token_file is not None:
                token = await asyncio.to_thread(target.token_file.read_text, "utf-8")
                headers["Authorization"] = f"Bearer {token.strip()}"
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=call.timeout)) as session,
                session.post(
                    target.url, data=msgspec.json.encode(told), headers=headers, allow_redirects=False
                ) as answer,
            ):
                status = answer.status
        except TimeoutError as error:
            raise HookFailed(call.hook, f"it was not done after {call.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise HookFailed(call.hook, f"it cannot be called ({error})") from error
        if status not in _SUCCESS:
            raise HookFailed(call.hook, f"it answered with status {status}")


NO_HOOKS: Final = HookCalls({})
"""Where nobody said of any hook what it is."""


def _told(call: Call, run: str) -> dict[str, str]:
    return {
        "run": run,
        "moment": call.moment.value,
        "key": f"{run}/{call.moment.value}",
        "request": call.request,
        "tenant": call.tenant,
        "vms": " ".join(call.vms),
    }
