"""A command's output, bounded in time and in octets, whatever the command does. No shell is involved."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Final

_CHUNK: Final = 64 * 1024


class CommandFailed(Exception):  # noqa: N818 - a situation, not a defect
    """No output that could be used; the message has nothing of it."""


def output(
    arguments: tuple[str, ...],
    *,
    seconds: float,
    octets: int,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run the command and return what it wrote to its standard output.

    Its standard input is empty, its standard error is ours, and so is its environment where it is given none.
    It and all that it started in its process group are ended. Raises CommandFailed when it cannot be started,
    fails, takes longer or writes more.
    """
    if not arguments:
        raise CommandFailed("it names no program")
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise CommandFailed(f"it cannot be started ({error.strerror})") from error
    try:
        written = _collect(process, deadline=time.monotonic() + seconds, octets=octets)
    except TimeoutError:
        raise CommandFailed(f"it was not done after {seconds:g} s") from None
    finally:
        status = _end(process)
    if written is None:
        raise CommandFailed(f"it wrote more than {octets} octets")
    if status:
        raise CommandFailed(f"it ended with status {status}")
    return written


def _collect(process: subprocess.Popen[bytes], *, deadline: float, octets: int) -> bytes | None:
    """The output until its end and the process's, None when it is too much; raises TimeoutError.

    The process stays a zombie: until it is waited for, its number is nobody else's and can be signalled.
    """
    ended = os.pidfd_open(process.pid)
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    collected = b""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            selector.register(process.stdout, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    chunk = b"" if key.fd == ended else os.read(key.fd, _CHUNK)
                    collected += chunk
                    if not chunk:
                        selector.unregister(key.fileobj)
                if len(collected) > octets:
                    return None
    finally:
        os.close(ended)
    return collected


def _end(process: subprocess.Popen[bytes]) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    process.stdout.close()
    return process.wait()
