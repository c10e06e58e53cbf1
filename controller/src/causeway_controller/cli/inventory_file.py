"""A file of YAML or JSON, read with the place of everything in it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from causeway_controller import yaml_text
from causeway_controller.cli import errors, telling

STDIN: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A file's value, its name for messages, and where everything is."""

    name: str
    value: Any
    places: yaml_text.Places

    @property
    def text(self) -> bytes:
        """The value as JSON."""
        return json.dumps(self.value).encode()


def read(file: str, *, json_wanted: bool) -> Read:
    """Read the file; tells what is wrong with it and ends with exit code 1."""
    name = "standard input" if file == STDIN else file or "''"
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
        value, places = yaml_text.read(text)
    except OSError as error:
        found: list[dict[str, Any]] = [{"detail": f"it cannot be read: {error.strerror}"}]
    except UnicodeDecodeError as error:
        octet = f"octet {error.start + 1} of it is {error.object[error.start]:#x}"
        found = [{"detail": f"it is no text in UTF-8: {octet}"}]
    except yaml_text.NotYamlError as error:
        found = [{"line": error.line, "column": error.column, "detail": str(error)}]
    else:
        return Read(name=name, value=value, places=places)
    telling.problems(name, found, json_wanted=json_wanted)
    raise typer.Exit(errors.REFUSED)
