"""The lab's end of a guest's control channel: start the guest program, command it, end it."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from dataclasses import dataclass
from typing import Any, Self

from causeway_lab.world import namespaces
from causeway_lab.world.probes import ECHO_PORT, HTTP_PORT
from causeway_lab.world.topology import Machine
from causeway_wire.types import IPAddress

_START_DEADLINE = 15.0
_STOP_DEADLINE = 3.0
_GRACE = 10.0


class GuestError(Exception):
    """The guest program did not start, ended, or refused a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Outcome of ICMP echo requests."""

    sent: int
    received: int
    milliseconds: tuple[float, ...]
    error: str | None
    """Why requests could not be sent, e.g. a message too long for the path."""

    @property
    def all_answered(self) -> bool:
        """Whether every request was answered."""
        return self.received == self.sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Outcome of a watch; times in seconds of CLOCK_MONOTONIC."""

    sent: int
    received: int
    started: float
    first: float | None
    last: float | None
    longest_gap: float | None
    gap_at: float | None
    """When the longest gap began."""


class Watch:
    """A running watch: a UDP echo every few milliseconds."""

    def __init__(self, console: Console, number: int, result: asyncio.Future[dict[str, Any]]) -> None:
        self._console = console
        self._number = number
        self._result = result
        self.first: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        """Done with the time of the first answer."""

    async def wait_first(self, deadline: float) -> float:
        """The time of the first answer; raises TimeoutError after so many seconds."""
        return await asyncio.wait_for(asyncio.shield(self.first), deadline)

    async def stop(self) -> Gaps:
        """End the watch; what it saw."""
        await self._console.call("stop", id=self._number)
        return Gaps(**await asyncio.wait_for(self._result, self._console.grace))


class Console:
    """One running guest program."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, *, patience: float) -> None:
        self.name = name
        self._patience = patience
        self._process = process
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._watches: dict[int, Watch] = {}
        self._ready = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(), name=f"guest {name}")

    @classmethod
    async def start(cls, machine: Machine, *, patience: float = 1.0) -> Self:
        """Start the guest program in the machine's namespace; returns once it serves.

        Its probes wait `patience` times as long as they are told to.
        """
        name = machine.name
        addresses = [str(address.ip) for port in machine.ports for address in port.addresses]
        command = (sys.executable, "-m", "causeway_lab.world.guest", name, str(patience), *addresses)
        process = await asyncio.create_subprocess_exec(
            *namespaces.within(name, *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        console = cls(name, process, patience=patience)
        try:
            await asyncio.wait_for(asyncio.shield(console._ready), _START_DEADLINE)
        except (TimeoutError, GuestError) as error:
            await console.stop()
            raise GuestError(f"the guest program of {name} did not start") from error
        return console

    @property
    def grace(self) -> float:
        """Seconds a command may take beyond the time its own probe is bounded by."""
        return _GRACE * self._patience

    async def stop(self) -> None:
        """Kill the guest program, as cutting its power does."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await asyncio.wait_for(self._process.wait(), _STOP_DEADLINE)
        await asyncio.wait_for(self._reader, _STOP_DEADLINE)
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def call(self, do: str, *, patience: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Run one command; its result (see `probes`). Raises GuestError.

        `patience`, in seconds, replaces the probe's own.
        """
        if patience is not None:
            arguments["patience"] = patience
        return await self._call(do, arguments, deadline=patience or 0.0)

    async def _call(self, do: str, arguments: dict[str, Any], *, deadline: float) -> dict[str, Any]:
        _, result = self._send(do, arguments)
        try:
            return await asyncio.wait_for(result, deadline * self._patience + self.grace)
        except TimeoutError as error:
            raise GuestError(f"{self.name}: {do} was not answered") from error

    async def ping(
        self, address: IPAddress, *, count: int = 1, size: int = 56, df: bool = False, patience: float = 1.0
    ) -> Ping:
        """ICMP echo requests, one after the other, each waited for `patience` seconds."""
        arguments = {"address": str(address), "count": count, "size": size, "df": df, "patience": patience}
        result = await self._call("ping", arguments, deadline=patience * count)
        return Ping(**{**result, "milliseconds": tuple(result["milliseconds"])})

    async def reaches(self, address: IPAddress, *, patience: float = 1.0) -> bool:
        """Whether one ICMP echo request out of three is answered."""
        for _ in range(3):
            if (await self.ping(address, patience=patience / 3)).received:
                return True
        return False

    async def http(self, address: IPAddress, *, port: int = HTTP_PORT) -> dict[str, Any]:
        """HTTP GET from a guest; see `probes.http`."""
        return await self.call("http", address=str(address), port=port)

    def watch(
        self,
        address: IPAddress,
        *,
        port: int = ECHO_PORT,
        seconds: float = 60.0,
        interval: float = 0.002,
    ) -> Watch:
        """Begin a UDP echo each `interval` seconds; as many of them, further apart, where all is slow."""
        arguments = {
            "address": str(address),
            "port": port,
            "seconds": seconds * self._patience,
            "interval": interval * self._patience,
        }
        return self._watch("watch", arguments)

    def hold(self, address: IPAddress, port: int, *, seconds: float = 60.0) -> Watch:
        """Open one TCP connection to an echo service and keep it busy; see `probes.hold`."""
        return self._watch("hold", {"address": str(address), "port": port, "seconds": seconds})

    def _watch(self, do: str, arguments: dict[str, Any]) -> Watch:
        number, result = self._send(do, arguments)
        watch = Watch(self, number, result)
        self._watches[number] = watch
        return watch

    def _send(self, do: str, arguments: dict[str, Any]) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        if self._reader.done() or self._process.stdin is None:
            raise GuestError(f"{self.name} is powered off")
        number = next(self._numbers)
        result: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = result
        message = {"id": number, "do": do, "with": arguments}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        return number, result

    async def _read(self) -> None:
        """Hand answers to whoever waits for them, until the program ends."""
        output = self._process.stdout
        while output is not None and (line := await output.readline()):
            self._dispatch(json.loads(line))
        ended = GuestError(f"{self.name} was powered off")
        for future in (self._ready, *self._pending.values()):
            if not future.done():
                future.set_exception(ended)
                future.exception()  # whoever still waits gets it; nobody has to

    def _dispatch(self, message: dict[str, Any]) -> None:
        match message:
            case {"event": "ready"}:
                self._ready.set_result(None)
            case {"event": "first", "id": number, "at": at}:
                self._watches[number].first.set_result(at)
            case {"id": number, "result": result}:
                self._settle(number, result=result)
            case {"id": number, "error": error}:
                self._settle(number, error=GuestError(f"{self.name}: {error}"))
            case _:
                raise GuestError(f"{self.name} says {message!r}")

    def _settle(
        self, number: int, *, result: dict[str, Any] | None = None, error: GuestError | None = None
    ) -> None:
        future = self._pending.pop(number)
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result or {})
