"""The contract between controller and agent, owned by neither side.

Typed documents (`desired`, `observed`, `change`, `identity`), problems (`problem`), one route table
(`routes`) that mounts the agent's handlers, drives the controller's client and generates the OpenAPI
file, and the codec (`codec`) that turns bytes into documents and mistakes into JSON pointers.
Depends on msgspec only, and imports neither the agent nor the controller.
"""

__version__ = "0.1.0"
"""Of Causeway as a whole, in the form of PEP 440; it is said nowhere else. `make release` writes it."""
