"""The gateway's side of `echo_message`: answers those who hold a key, and nobody else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from causeway_agent.backends.gateway import echo_message

_REMEMBERED = 8192

FindKey = Callable[[bytes], bytes | None]
"""From a wrapped client key to the key that its holder authenticates packets with; None when it is no known
tenant's.
"""


class EchoAnswer:
    """Answers questions. Keys once found are remembered by their whole wrapped form, which is authenticated:
    a question costs two HMACs then.
    """

    def __init__(self, find: FindKey) -> None:
        self._find = find
        self._secrets: OrderedDict[bytes, bytes] = OrderedDict()

    def answer(self, packet: bytes, time: int) -> bytes | None:
        """What to send back at this Unix time, shorter than the question; None for silence."""
        wrapped = echo_message.wrapped_of(packet)
        if wrapped is None:
            return None
        secret = self._secrets.get(wrapped) or self._open(wrapped)
        return None if secret is None else echo_message.answer(packet, secret, time)

    def _open(self, wrapped: bytes) -> bytes | None:
        key = self._find(wrapped)
        if key is None:
            return None
        self._secrets[wrapped] = secret = echo_message.secret(key)
        if len(self._secrets) > _REMEMBERED:
            self._secrets.popitem(last=False)
        return secret
