"""`python -m release VERSION`: release what is checked out here.

    .venv/bin/python -m release 1.4.0 --dry-run     what would be done, and what stands against it
    .venv/bin/python -m release 1.4.0               do it

Signed with the key that CAUSEWAY_RELEASE_KEY names.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from image import update
from release import commit, files, refusals, signing
from release.checkout import Checkout, ReleaseError
from release.refusals import Wanted
from release.signing import Key


def main() -> int:
    """Zero only if all was done, or for a dry run, if nothing stands against it."""
    options = _parser().parse_args()
    wanted = Wanted(version=options.version, image=options.image, signed=options.signed)
    checkout = Checkout(Path.cwd())
    try:
        # Taken out: what is started from here has no business with it.
        given = os.environ.pop(signing.VARIABLE, "")
        if not wanted.signed:
            given = ""
        with signing.opened(given) if given else contextlib.nullcontext() as key:
            return _go(checkout, wanted, key, dry=options.dry)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1


def _go(checkout: Checkout, wanted: Wanted, key: Key | None, *, dry: bool) -> int:
    date = datetime.now(UTC).date().isoformat()
    against = list(refusals.reasons(checkout, wanted, key=key is not None, root=os.geteuid() == 0))
    if dry:
        _show(checkout, wanted, key, date=date)
    for reason in against:
        print(f"release: {reason}", file=sys.stderr)
    if against or dry:
        return int(bool(against))
    _say("make lint")
    checkout.make("lint")
    _make(checkout, wanted, key, date=date)
    return 0


def _show(checkout: Checkout, wanted: Wanted, key: Key | None, *, date: str) -> None:
    """What would be done, in order."""
    _say(f"{wanted.version}, dry run: nothing is changed")
    steps = ["make lint; it must pass"]
    if refusals.goes_on(checkout, wanted):
        steps.append(f"the commit {checkout.commit[:12]} is here already")
    elif checkout.fragments():
        steps.append(
            f"version {checkout.version} -> {wanted.version}, {len(checkout.fragments())} fragments into "
            f"{commit.CHANGELOG}, commit {wanted.subject!r} on {checkout.branch}"
        )
    steps.append(_image_step(checkout, wanted))
    steps.append(f"source and wheels into dist, {files.SUMS}; whatever else of ours is there is removed")
    if key is not None:
        steps.append(f"{files.SUMS} signed by {signing.fingerprint(checkout, key)}")
    else:
        steps.append("UNSIGNED: nobody can tell where these files are from")
    steps.append(f"{'signed' if key else 'unsigned'} annotated tag {wanted.tag}; nothing is pushed")
    for number, step in enumerate(steps, 1):
        _say(f"{number}. {step}")
    if checkout.fragments():
        print(commit.news(checkout, wanted, date=date))


def _image_step(checkout: Checkout, wanted: Wanted) -> str:
    if not wanted.image:
        return "no image"
    if refusals.goes_on(checkout, wanted) and files.has_image(checkout, wanted, checkout.root / "dist"):
        return "the image of this commit is in dist already"
    signed = (
        "signed" if os.environ.get(update.SIGNING_KEY) else f"not signed, for want of {update.SIGNING_KEY}"
    )
    return f"make image, some minutes; its update file is {signed}"


def _make(checkout: Checkout, wanted: Wanted, key: Key | None, *, date: str) -> None:
    """The commit, the files, the tag."""
    if not refusals.goes_on(checkout, wanted):
        commit.make(checkout, wanted, date=date)
    _say(f"commit {checkout.commit[:12]}")
    dist = checkout.root / "dist"
    _fill(checkout, wanted, dist)
    sums = files.sum_up(dist)
    if key is not None:
        signing.sign(checkout, key, sums)
    _tag(checkout, wanted, key)
    _say(f"{wanted.tag} is tagged; dist has {len(sums.read_text().splitlines())} files and {files.SUMS}")
    if key is not None:
        _say(f"signed by {signing.fingerprint(checkout, key)}")
    else:
        _say("UNSIGNED: nobody can tell where these files are from")
    _say(f"nothing was pushed: git push origin {checkout.branch} {wanted.tag}")


def _fill(checkout: Checkout, wanted: Wanted, dist: Path) -> None:
    kept: set[str] = set()
    if wanted.image:
        if not files.has_image(checkout, wanted, dist):
            _say("make image; some minutes")
            checkout.make("image")
        if not files.has_image(checkout, wanted, dist):
            raise ReleaseError("release: make image left something else in dist than this commit's image")
        kept = files.image_files(wanted, dist)
    files.clear(dist, but=kept)
    files.add_source(checkout, wanted, dist)
    files.add_wheels(checkout, dist)


def _tag(checkout: Checkout, wanted: Wanted, key: Key | None) -> None:
    changelog = (checkout.root / commit.CHANGELOG).read_text()
    message = f"Causeway {wanted.version}\n\n{commit.section(changelog, wanted.version)}\n"
    how: tuple[str, ...] = ("tag", "--annotate")
    if key is not None:
        how = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key.file}", "tag", "--sign")
    # Verbatim: git takes the headings for comments.
    checkout.git(*how, "--cleanup=verbatim", "--file=-", wanted.tag, text=message)


def _say(sentence: str) -> None:
    print(f"release: {sentence}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("version", metavar="VERSION", help="such as 1.4.0")
    parser.add_argument("--dry-run", dest="dry", action="store_true", help="show what would be done")
    parser.add_argument("--no-image", dest="image", action="store_false", help="source and wheels only")
    parser.add_argument("--unsigned", dest="signed", action="store_false", help="without a signature")
    return parser


if __name__ == "__main__":
    sys.exit(main())
