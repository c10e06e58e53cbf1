"""Which Debian mirrors the build takes packages from: the environment's, else the host's own. No effects.

None is ever written down in this project, and none stays in the image.
"""

from __future__ import annotations

from collections.abc import Mapping

MAIN = "DIB_DISTRIBUTION_MIRROR"
SECURITY = "DIB_DEBIAN_SECURITY_MIRROR"
TARGETS = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(ORIGIN)", "Created-By: Packages")
"""Lists what apt of this host knows; run `apt-get update` before."""


def environment(targets: str, given: Mapping[str, str]) -> dict[str, str]:
    """diskimage-builder's variables for the mirrors, from the output of `TARGETS` and the environment.

    Raises ValueError when neither names a main mirror.
    """
    rows = [line.split() for line in targets.splitlines()]
    debian = [(row[0].rstrip("/"), row[1]) for row in rows if row[2:] == ["Debian"]]
    main = given.get(MAIN) or next((uri for uri, name in debian if "-" not in name), None)
    security = given.get(SECURITY) or next((uri for uri, name in debian if name.endswith("-security")), None)
    if main is None:
        raise ValueError(f"this host's apt names no Debian mirror: run apt-get update, or set {MAIN}")
    return {MAIN: main} | ({SECURITY: security} if security else {})
