"""A hook of hatchling: what is released together requires one another at exactly the same version.

`[tool.hatch.metadata.hooks.custom]` of a package has `same-version`, names of such packages, and
`dependencies`, all others; the version is that of `[tool.hatch.version]`.
"""

from __future__ import annotations

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class SameVersion(MetadataHookInterface):
    """Gives the package its dependencies."""

    def update(self, metadata: dict[str, Any]) -> None:
        """`metadata`: the project table, its version already known."""
        same = [f"{name}=={metadata['version']}" for name in self.config["same-version"]]
        metadata["dependencies"] = [*same, *self.config["dependencies"]]
