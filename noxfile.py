"""What one checkout's .venv cannot show: other interpreters, and the wheels as an appliance installs them.

`nox` runs both sessions; interpreters that are not installed are skipped and named.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

PYTHONS = ("3.11", "3.13")
"""Debian 12's and Debian 13's."""


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Unit and contract tests under every supported Python."""
    group = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev")
    packages = [word for name in ("wire", "agent", "controller", "lab") for word in ("--editable", name)]
    session.install(*packages, *group)
    session.run("pytest", "-q", "tests/unit", "tests/contract", *session.posargs)


@nox.session(python=PYTHONS[0])
def wheels(session: nox.Session) -> None:
    """The appliance's wheels alone are enough: agent and wire, and nothing of the controller."""
    house = Path(session.create_tmp()) / "wheels"
    session.run("pip", "wheel", "--quiet", "--wheel-dir", str(house), "./wire", "./agent")
    session.run("pip", "install", "--quiet", "--no-index", "--find-links", str(house), "causeway-agent")
    session.run("causeway-agent", "--help", silent=True)
    session.run("python", "-c", "import causeway_agent, causeway_wire")
    session.run("python", "-c", "import causeway_controller", success_codes=[1], silent=True)
