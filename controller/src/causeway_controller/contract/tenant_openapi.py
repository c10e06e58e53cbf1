"""The OpenAPI 3.1 description of what tenants' controllers are served.

`python -m causeway_controller.contract.tenant_openapi FILE` writes it, with `--check` it is only compared.
"""

from __future__ import annotations

import sys

from causeway_controller.contract import audiences, openapi
from causeway_wire import openapi_parts


def text() -> str:
    """The description as the committed file holds it."""
    return openapi.text(audiences.TENANTS)


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with `--check` compare it; 1 when it differs."""
    program = "causeway_controller.contract.tenant_openapi"
    return openapi_parts.run(text(), program=program, remedy="make openapi", arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
