"""`causeway-agent`: run the agent, or ask what it does. Imports what a command needs, when it needs it."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

import msgspec

from causeway_agent import settings
from causeway_agent.commands import changes, local, path, status
from causeway_agent.errors import AgentError
from causeway_agent.settings import Settings

FAILURE = 1
"""Exit status: it could not be done, or the answer is no."""
AGENT_DOWN = 3
"""Exit status: the agent does not run; what was printed comes from disk and kernel."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `causeway-agent` command."""
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.command(settings.load(options.settings), options))
    except (AgentError, local.RefusedError) as error:
        _complain(str(error))
        sys.exit(FAILURE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="causeway-agent", description="The agent of a Causeway appliance.")
    parser.add_argument("--settings", type=Path, default=settings.DEFAULT_PATH, help="default: %(default)s")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    started = commands.add_parser("run", help="run the agent until SIGTERM")
    started.set_defaults(command=_run)
    for name, command, about in (
        ("status", _status, "what the appliance is now"),
        ("explain", _explain, "the path of a packet through this appliance"),
        ("journal", _journal, "the last changes, with their operations"),
    ):
        one = commands.add_parser(name, help=about)
        one.add_argument("--json", action="store_true", help="for programs")
        one.set_defaults(command=command)
        if name == "explain":
            one.add_argument("source", metavar="SRC", type=ip_address)
            one.add_argument("destination", metavar="DST", type=ip_address)
    return parser


def _run(loaded: Settings, _options: argparse.Namespace) -> int:
    load_lean()
    from causeway_agent import app  # noqa: PLC0415

    app.configure_logs()
    asyncio.run(app.run(loaded))
    return 0


def load_lean() -> None:
    """Load libraries without the parts that an agent never uses; for a process that is nothing else.

    aiohttp's initialiser brings its client and the system's authorities (4 MB, 100 ms); should a new release
    need its initialiser, it gets it. structlog takes rich where the controller has it installed (3 MB), for
    terminals that our JSON lines never meet.
    """
    # None is the import system's word for "not here" (Python language reference, 5.3.1).
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    spec = importlib.util.find_spec("aiohttp")
    if spec is None or "aiohttp" in sys.modules:
        return
    bare = importlib.util.module_from_spec(spec)
    vars(bare)["__version__"] = ""  # read for the `Server` header, which need not tell it
    sys.modules["aiohttp"] = bare
    try:
        importlib.import_module("aiohttp.web")
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "aiohttp"]:
            del sys.modules[name]


def _status(loaded: Settings, options: argparse.Namespace) -> int:
    try:
        found = status.fetch(local.LocalAgent(Path(loaded.run_directory)))
    except local.AgentDownError as error:
        _complain_down(error)
        _say_offline_status(loaded, options)
        return AGENT_DOWN
    _say(found, status.render(found), as_json=options.json)
    return 0


def _say_offline_status(loaded: Settings, options: argparse.Namespace) -> None:
    from causeway_agent import offline  # noqa: PLC0415

    found = asyncio.run(offline.status(loaded))
    _say(found, found, as_json=options.json)


def _explain(loaded: Settings, options: argparse.Namespace) -> int:
    agent = local.LocalAgent(Path(loaded.run_directory))
    try:
        found = path.fetch(agent, options.source, options.destination)
    except local.AgentDownError as error:
        from causeway_agent import offline  # noqa: PLC0415

        _complain_down(error)
        told = asyncio.run(offline.explain(loaded, options.source, options.destination))
        found = {"passes": told.passes, "lines": told.lines()}
        _say(found, path.render(found), as_json=options.json)
        return AGENT_DOWN
    _say(found, path.render(found), as_json=options.json)
    return 0 if found["passes"] else FAILURE


def _journal(loaded: Settings, options: argparse.Namespace) -> int:
    from causeway_agent.backends.storage import DirectoryStorage  # noqa: PLC0415
    from causeway_agent.engine.journal import Journal  # noqa: PLC0415

    recovered = Journal(DirectoryStorage(Path(loaded.state_directory))).recover()
    found = {"changes": recovered.changes, "damage": recovered.damage}
    _say(msgspec.to_builtins(found), changes.render(recovered), as_json=options.json)
    return FAILURE if recovered.damage else 0


def _say(document: object, lines: Iterable[str], *, as_json: bool) -> None:
    text = json.dumps(document, indent=2) if as_json else "\n".join(lines)
    sys.stdout.write(text + "\n")


def _complain_down(error: local.AgentDownError) -> None:
    _complain(f"the agent does not run ({error}); this is what disk and kernel say")


def _complain(sentence: str) -> None:
    sys.stderr.write(f"causeway-agent: {sentence}\n")


if __name__ == "__main__":
    main()
