"""What every OpenAPI 3.1 description of Causeway is made of: schemas of documents, problems, the command.

Schemas come from the document types, descriptions of members from the text under them, problems from a
route's table: nothing is said twice, so nothing can drift.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from causeway_wire import problem, types

Schema = dict[str, Any]

REF = "#/components/schemas/{name}"
_PREFIX = r"^[0-9A-Fa-f:.]{2,45}/(0|[1-9][0-9]{0,2})$"
_SCALARS: dict[Any, Schema] = {
    types.IPAddress: {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    types.IPNetwork: {
        "type": "string",
        "pattern": _PREFIX,
        "description": "IPv4 or IPv6 prefix without host bits",
        "examples": ["192.0.2.0/24", "2001:db8::/64"],
    },
    types.IPInterface: {
        "type": "string",
        "pattern": _PREFIX,
        "description": "IPv4 or IPv6 address with the length of its prefix",
        "examples": ["192.0.2.10/24", "2001:db8::10/64"],
    },
    types.Secret: {
        "type": "string",
        "format": "password",
        "description": "Answers show `****`",
    },
}


def problems(kinds: Iterable[problem.ProblemType]) -> Schema:
    """One response per status, naming every problem type that can arrive with it."""
    by_status: dict[int, list[problem.ProblemType]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        str(status): {
            "description": "; ".join(kind.title for kind in group),
            "content": {
                problem.MEDIA_TYPE: {
                    "schema": {
                        "allOf": [{"$ref": REF.format(name="Problem")}],
                        "properties": {"type": {"enum": [kind.urn for kind in group]}},
                    }
                }
            },
        }
        for status, group in sorted(by_status.items())
    }


def json_body(kind: Any) -> Schema:
    """The content of a body that is a document of this type, or of one of a union of types."""
    (schema,), _ = msgspec.json.schema_components((kind,), schema_hook=_scalar, ref_template=REF)
    return {"application/json": {"schema": schema}}


def schemas(bodies: Iterable[Any], structs: Iterable[type]) -> Schema:
    """The components of these bodies and of their members, described as in the modules of `structs`."""
    _, components = msgspec.json.schema_components(tuple(bodies), schema_hook=_scalar, ref_template=REF)
    described = _descriptions(structs)
    for name, schema in components.items():
        for member, details in schema.get("properties", {}).items():
            if description := described.get((name, member)):
                details["description"] = description
    return {name: components[name] for name in sorted(components)}


def _scalar(kind: type) -> Schema:
    schema = _SCALARS.get(kind)
    if schema is None:
        raise NotImplementedError(f"no schema for {kind!r}")
    return dict(schema)


def _descriptions(bodies: Iterable[type]) -> dict[tuple[str, str], str]:
    """What stands under the members of the document types, by type and member; subtypes inherit it."""
    classes: dict[str, tuple[list[str], dict[str, str]]] = {}
    for module in {inspect.getmodule(kind) for kind in bodies}:
        if module is None:
            continue
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                classes[node.name] = (bases, _member_texts(node))

    def members(name: str) -> dict[str, str]:
        bases, own = classes.get(name, ([], {}))
        inherited = {member: said for base in bases for member, said in members(base).items()}
        return inherited | own

    return {(name, member): said for name in classes for member, said in members(name).items()}


def _member_texts(node: ast.ClassDef) -> dict[str, str]:
    texts: dict[str, str] = {}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=member)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                texts[member] = inspect.cleandoc(said)
            case _:
                pass
    return texts


def run(text: str, *, program: str, remedy: str, arguments: list[str] | None = None) -> int:
    """Write a description's text to a file, or with `--check` compare it; 1 when it differs."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    if not options.check:
        options.file.write_text(text)
        return 0
    if options.file.exists() and options.file.read_text() == text:
        return 0
    sys.stderr.write(f"{options.file} is not what the route table says; run `{remedy}`\n")
    return 1
