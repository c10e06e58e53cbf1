"""Flavours of the image: which elements it is made of, and how its files are told apart. No effects.

The stable flavour is what a release ships. Another is the same elements and one more on top, with directories
and names of its own: building it leaves the stable one as it is, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One way to build the appliance."""

    name: str
    """As `make image FLAVOUR=` takes it."""
    elements: tuple[str, ...]
    """For diskimage-builder, which adds those that these need."""
    apart: bool
    """Whether its files have directories and names of their own."""

    @property
    def stem(self) -> str:
        """What names of its files begin with, before the version."""
        return f"causeway-{self.name}" if self.apart else "causeway"

    def build(self, root: Path) -> Path:
        """Its scratch directory in this checkout."""
        return root / "build" / (f"image-{self.name}" if self.apart else "image")

    def dist(self, root: Path) -> Path:
        """Where its finished files go in this checkout."""
        return root / "dist" / self.name if self.apart else root / "dist"


STABLE = Flavour(name="stable", elements=("causeway-appliance",), apart=False)
"""Kernel and programs of Debian's stable release."""
OFFLOAD = Flavour(name="offload", elements=("causeway-appliance", "causeway-offload"), apart=True)
"""Kernel and OpenVPN from backports, for tunnels whose packets stay in the kernel."""
FLAVOURS = {each.name: each for each in (STABLE, OFFLOAD)}
