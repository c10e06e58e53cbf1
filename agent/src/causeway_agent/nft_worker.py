# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs nftables transactions for another process.

A program of its own, under the GPL: libnftables is under version 2 of it, which does not go together with the
Apache licence of the agent and of libraries the agent imports. The two share no memory and no code; they
exchange nft text over a pipe, as with the `nft` command, only without a process for each transaction.

    request:  length, nft commands
    answer:   code, length, output, length, error text

Numbers are four octets, big-endian; the code is signed and 0 when the transaction was committed. One request
is one transaction: all of its commands take effect or none.

An agent that starts waits for it. So it loads nothing but what calls a library: no module `nftables`, which
loads JSON, none of constants or types; it is started without `site`. It ends with its parent or when its
input does.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from io import BufferedReader, BufferedWriter

NAME = b"causeway-nft"
"""The process's name; the kernel tells it with each change of the rules."""

_LIBRARY = "libnftables.so.1"
_NUMBER = struct.Struct(">I")
_CODE = struct.Struct(">i")
# linux/prctl.h
_SET_PARENT_DEATH_SIGNAL = 1
_SET_NAME = 15
_KILL = 9
_LARGE = 1 << 14
"""Octets of commands or output after which memory is given back: a policy leaves several MB of its text."""


class _Context:
    """What libnftables remembers from one transaction to the next (libnftables(3))."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._context = ctypes.c_void_p(library.nft_ctx_new(0))
        if self._context.value is None or any(
            buffer(self._context) for buffer in (library.nft_ctx_buffer_output, library.nft_ctx_buffer_error)
        ):
            sys.exit("libnftables has no memory")

    def run(self, commands: bytes) -> tuple[int, bytes, bytes]:
        """Code, output and error text of one transaction."""
        code = self._library.nft_run_cmd_from_buffer(self._context, commands)
        output = self._library.nft_ctx_get_output_buffer(self._context)
        return code, output, self._library.nft_ctx_get_error_buffer(self._context)

    def free(self) -> None:
        """Forget all of it."""
        self._library.nft_ctx_free(self._context)


def load() -> ctypes.CDLL:
    """Load libnftables and tell what its functions take and give; raises OSError where there is none."""
    library = ctypes.CDLL(_LIBRARY)
    library.nft_ctx_new.restype = ctypes.c_void_p
    for buffer in (library.nft_ctx_get_output_buffer, library.nft_ctx_get_error_buffer):
        buffer.restype = ctypes.c_char_p
    library.nft_run_cmd_from_buffer.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    return library


def _serve(requests: BufferedReader, answers: BufferedWriter) -> None:
    library = load()
    context = _Context(library)
    trim = ctypes.CDLL(None).malloc_trim
    while (commands := _read(requests)) is not None:
        code, output, error = context.run(commands)
        answers.write(_CODE.pack(code) + _framed(output) + _framed(error))
        answers.flush()
        # After the answer: nobody waits for this (malloc_trim(3)). A context remembers tables; that goes too.
        if max(len(commands), len(output)) > _LARGE:
            del commands, output, error
            context.free()
            context = _Context(library)
            trim(0)


def _framed(data: bytes) -> bytes:
    return _NUMBER.pack(len(data)) + data


def _read(requests: BufferedReader) -> bytes | None:
    header = requests.read(_NUMBER.size)
    if len(header) < _NUMBER.size:
        return None
    (length,) = _NUMBER.unpack(header)
    return requests.read(length)


def _die_with(parent: int) -> None:
    process = ctypes.CDLL(None)
    process.prctl(_SET_NAME, NAME, 0, 0, 0)
    process.prctl(_SET_PARENT_DEATH_SIGNAL, _KILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


if __name__ == "__main__":
    _die_with(int(sys.argv[1]))
    _serve(os.fdopen(0, "rb"), os.fdopen(1, "wb"))
