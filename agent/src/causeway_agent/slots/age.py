"""Whether an update is older than the system that runs. No effects.

A signature does not age: a build whose faults are known by now is still the publisher's. So what is older is
only taken by somebody who says that this is meant. Two things tell, and neither may go back: the version,
which people read, and the time of release, without which a version that is higher but was released before
the repair of a lower one would pass.
"""

from __future__ import annotations

import re

from msgspec import UNSET

from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import Manifest

_VERSION = re.compile(
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_number>[0-9]*))?"
    r"(?P<post>-(?P<post_short>[0-9]+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>[0-9]*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_number>[0-9]*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.ASCII | re.IGNORECASE,
)
"""PEP 440, appendix B."""
_PHASES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_DEV, _FINAL = -1, 3
"""A development version comes before the first phase, the release itself after the last."""

Rank = tuple[int, tuple[int, ...], tuple[int, int], int, float, tuple[tuple[int, str], ...]]


def refuse_older(new: Manifest, running: Manifest, *, allowed: bool, pointer: str) -> None:
    """Raises ProblemError (`update-older`) unless `new` may follow; `pointer`: to the permission."""
    why = older(new, running)
    if why is not None and not allowed:
        detail = f"{why}; say allow_older where that is meant"
        raise ProblemError(problem(ProblemType.UPDATE_OLDER, detail, pointer=pointer or UNSET))


def older(new: Manifest, running: Manifest) -> str | None:
    """Why `new` is older than what runs; None when it is not. A system that says nothing is the oldest."""
    if rank(new.version) < rank(running.version):
        return f"version {new.version} is older than {running.version}, which runs"
    if running.released is None or (new.released is not None and new.released >= running.released):
        return None
    said = "does not say when it was released" if new.released is None else f"was released {new.released}"
    return f"version {new.version} {said}, what runs {running.released}: it may lack repairs"


def rank(version: str) -> Rank:
    """What orders versions as PEP 440 does; anything else is before all of them."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (-1, (), (0, 0), 0, 0, ())
    release = [int(number) for number in match["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    post = -1
    if match["post"]:
        post = int(match["post_short"] or match["post_number"] or 0)
    dev = int(match["dev_number"] or 0) if match["dev"] else float("inf")
    if match["pre"]:
        phase = (_PHASES[match["pre"].lower()], int(match["pre_number"] or 0))
    else:
        phase = (_DEV if match["dev"] and not match["post"] else _FINAL, 0)
    local = re.split(r"[-_.]", match["local"].lower()) if match["local"] else []
    labels = tuple((int(label), "") if label.isdecimal() else (-1, label) for label in local)
    return (int(match["epoch"] or 0), tuple(release), phase, post, dev, labels)
