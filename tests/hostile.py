"""Damage to documents that are meant, and where an RFC 6901 pointer leads in them."""

from __future__ import annotations

import copy
import functools
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

Json = Any
Path = tuple[str | int, ...]

ADDRESSES = (
    *("0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "010.1.1.1"),
    *("::", "::1", "fe80::1", "ff02::1", "fe80::1%eth0", "2001:db8::1%x\nup evil", "::ffff:10.0.0.1"),
    *("192.168.7.0", "192.168.7.255", "192.168.7.1", "192.168.7.5", "10.9.0.2", "10.9.0.0", "100.64.0.1"),
    *("1.2.3", "::7f00:1"),
)
PREFIXES = (
    *("0.0.0.0/0", "::/0", "224.0.0.0/4", "192.168.7.0/31", "192.168.7.1/32", "2001:db8::/127", "/8"),
    *("10.9.0.0/24", "192.168.0.0/16", "192.168.7.1/24", "10.0.0.0/0.0.0.255", "10.0.0.0", "10.0.0.0/08"),
    *("192.168.7.255/24", "127.0.0.1/8", "::ffff:10.0.0.0/104", "2001:db8::/64", "fe80::/64"),
)
TEXTS = (
    *("", " ", "..", "a..b", "../../etc/passwd", "a/b", "a\nb", "a\x00b", "a\x1b[2J", "A", "a" * 64, "é"),
    *(
        '"; drop',
        "} accept",
        "%s",
        "{0}",
        "</ca>\nup evil",
        "-",
        "a-",
        ".",
        "\u202e",
        "a` - at `$.role`",
        "~/~",
    ),
    *("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n</ca>\nscript-security 2\n",),
    *(
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "01:00:5e:00:00:01",
        "02:00:00:00:00:01",
        "02-00-00-00-00-01",
    ),
    *("idle", "partial", "full", "rehearsal", "provider", "tenant", "gateway", "bridged", "tcp", "sctp"),
    *("a` - at `$.role`", "02-00-00-00-00-01"),
)
NAMES = (
    *("agent", "net-0", "net-1", "management", "production", "acme", "acme-0"),
    *("web", "idle", "full", "partial"),
)
NUMBERS = (
    0,
    1,
    2,
    100,
    3000,
    -1,
    22,
    80,
    1195,
    6180,
    8443,
    65535,
    65536,
    1279,
    9216,
    4095,
    2**53,
    2**63,
    2**64,
    10**300,
)
OTHERS: tuple[Json, ...] = (None, True, False, 1.5, 1e308, [], {}, [[]], {"": None}, [None])

VALUES = st.one_of(*map(st.sampled_from, (ADDRESSES, PREFIXES, TEXTS, NUMBERS, OTHERS))).map(copy.deepcopy)
"""Each drawn one is a document's own: a second wound in it must not change what is drawn next."""
"""What has been seen to go wrong somewhere."""


def like(value: Json) -> st.SearchStrategy[Json]:
    """Values that get further than others where this one is."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.sampled_from(NUMBERS) | st.integers(-1, 1).map(lambda step: value + step)
    if not isinstance(value, str):
        return VALUES
    if re.fullmatch(r"[0-9a-f.:]+/[0-9]+", value):
        return st.sampled_from(PREFIXES)
    if re.fullmatch(r"([0-9]+[.]){3}[0-9]+|[0-9a-f:]+:[0-9a-f:]*", value):
        return st.sampled_from(ADDRESSES)
    return st.sampled_from(NAMES) | st.sampled_from(NAMES) | st.sampled_from(TEXTS)


_DEEPER = 6
"""Kinds of wounds below this one are to single values, most of which still are of the right type."""


def places(document: Json, path: Path = ()) -> Iterator[Path]:
    """Where something is, the document itself left out."""
    entries: Any = ()
    if isinstance(document, dict):
        entries = document.items()
    elif isinstance(document, list):
        entries = enumerate(document)
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(document: Json, path: Path) -> Json:
    """What is there."""
    step: Callable[[Json, Any], Json] = operator.getitem
    return functools.reduce(step, path, document)


@st.composite
def damaged(draw: st.DrawFn, documents: st.SearchStrategy[Json]) -> Json:
    """A document with one to three wounds: something replaced, removed, doubled, added or put elsewhere."""
    document = copy.deepcopy(draw(documents))
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(document))
        if not known:
            break
        leaves = [path for path in known if not isinstance(at(document, path), dict | list)]
        kind = draw(st.integers(0, 9))
        *above, key = draw(st.sampled_from(leaves if kind < _DEEPER and leaves else known))
        parent = at(document, tuple(above))
        match kind:
            case 5:
                parent[key] = draw(VALUES)
            case 6:
                del parent[key]
            case 7:
                parent[key] = copy.deepcopy(at(document, draw(st.sampled_from(known))))
            case 8 if isinstance(parent, list):
                parent.append(copy.deepcopy(at(parent, (key,))))
            case 9 if isinstance(parent, dict):
                parent[draw(st.sampled_from(TEXTS))] = draw(VALUES)
            case _:
                parent[key] = draw(like(parent[key]))
    return document


def leads_somewhere(pointer: str, document: Json) -> bool:
    """Whether the pointer names something that is there, or a member that could be and is missing."""
    if pointer == "":
        return True
    if not pointer.startswith("/"):
        return False
    *above, last = [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]
    for token in above:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list) and token.isdecimal() and int(token) < len(document):
            document = document[int(token)]
        else:
            return False
    if isinstance(document, list):
        return last.isdecimal() and int(last) < len(document)
    return isinstance(document, dict)
