"""Why a release is not made. All reasons at once, none of them after something was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.version import Version

from release.checkout import FRAGMENTS, Checkout

FORM = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(rc[1-9][0-9]*)?", re.ASCII)
"""Of versions that are released: 1.4.0, or 1.4.0rc1."""
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be released, and how."""

    version: str
    image: bool
    signed: bool

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    @property
    def subject(self) -> str:
        """Of the release's commit."""
        return f"release: {self.version}"


def goes_on(checkout: Checkout, wanted: Wanted) -> bool:
    """Whether the release's commit is here already: an earlier run ended after it."""
    return checkout.version == wanted.version and checkout.subject == wanted.subject


def reasons(checkout: Checkout, wanted: Wanted, *, key: bool, root: bool) -> Iterator[str]:
    """Why not, one sentence each; `key`: whether there is one to sign with, `root`: who we are."""
    if FORM.fullmatch(wanted.version) is None:
        yield f"{wanted.version!r} is no version such as 1.4.0 or 1.4.0rc1"
        return
    if wanted.version in checkout.tags():
        yield f"version {wanted.version} is tagged already: take the next one"
    elif newer := _newer(checkout, wanted):
        yield f"version {wanted.version} is older than {newer}"
    if changed := checkout.changed():
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        yield f"not committed: {', '.join(changed[:SHOWN])}{more}: commit it or put it back"
    if not checkout.branch:
        yield "no branch is checked out that the release could be a commit of: git switch main"
    if not checkout.fragments() and not goes_on(checkout, wanted):
        yield f"{FRAGMENTS} is empty: there is nothing new to release"
    if wanted.signed and not key:
        yield "there is no key to sign with: name one in CAUSEWAY_RELEASE_KEY, or say --unsigned"
    if wanted.image and not root:
        yield "making the image needs root, for the owners of its files: sudo, or say --no-image"


def _newer(checkout: Checkout, wanted: Wanted) -> str | None:
    """A version that is there and must not be gone back from."""
    known = [checkout.version, *checkout.tags()]
    newest = max(known, key=Version)
    return newest if Version(newest) > Version(wanted.version) else None
