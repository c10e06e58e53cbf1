# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs nftables transactions for another process.

A program of its own, under the GPL: the `nftables` module and libnftables are under version 2 of it, which
does not go together with the Apache licence of the agent and of libraries the agent imports. The two share no
memory and no code; they exchange nft text over a pipe, as with the `nft` command, only without starting a
process for each transaction.

    request:  length, nft commands
    answer:   code, length, output, length, error text

Numbers are four octets, big-endian; the code is signed and 0 when the transaction was committed. One request
is one transaction: all of its commands take effect or none.

It needs nothing but the standard library and `nftables`, and ends with its parent or when its input does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from typing import BinaryIO

import nftables

NAME = b"causeway-nft"
"""The process's name; the kernel tells it with each change of the rules."""

_NUMBER = struct.Struct(">I")
_CODE = struct.Struct(">i")
# linux/prctl.h
_SET_PARENT_DEATH_SIGNAL = 1
_SET_NAME = 15
_LARGE = 1 << 14
"""Octets of commands or output after which memory is given back: a policy leaves several MB of its text."""


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    context = nftables.Nftables()
    trim = ctypes.CDLL(None).malloc_trim
    while (commands := _read(requests)) is not None:
        code, output, error = context.cmd(commands)
        answers.write(_CODE.pack(code) + _framed(output) + _framed(error))
        answers.flush()
        # After the answer: nobody waits for this (malloc_trim(3)). A context remembers tables; that goes too.
        if max(len(commands), len(output)) > _LARGE:
            del commands, output, error, context
            context = nftables.Nftables()
            trim(0)


def _framed(text: str) -> bytes:
    data = text.encode()
    return _NUMBER.pack(len(data)) + data


def _read(requests: BinaryIO) -> str | None:
    header = requests.read(_NUMBER.size)
    if len(header) < _NUMBER.size:
        return None
    (length,) = _NUMBER.unpack(header)
    return requests.read(length).decode()


def _die_with(parent: int) -> None:
    process = ctypes.CDLL(None)
    process.prctl(_SET_NAME, NAME, 0, 0, 0)
    process.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


if __name__ == "__main__":
    _die_with(int(sys.argv[1]))
    _serve(sys.stdin.buffer, sys.stdout.buffer)
