"""`causeway-agent`: run the agent, or ask what it does. Imports what a command needs, when it needs it."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import msgspec

from causeway_agent import __version__, compiled, settings
from causeway_agent.commands import local, rules, status
from causeway_agent.errors import AgentError
from causeway_agent.first_boot import command as first_boot
from causeway_agent.settings import Settings

FAILURE = 1
"""Exit status: it could not be done, or the answer is no."""
COLLECT_AFTER = 10_000, 10, 10
"""Objects, and rounds of each generation before the next is looked at (`gc.set_threshold`)."""
AGENT_DOWN = 3
"""Exit status: the agent does not run; what was printed comes from disk and kernel."""
GUIDE = """\
causeway-agent status                                       # what is wrong here?
causeway-agent explain 192.168.10.11 192.168.10.12 tcp 443  # would it pass, where does it stop?
causeway-agent capture eth1 --host 192.168.10.12            # what is really on the line?
causeway-agent journal                                      # what was changed, when, by whom?

These only look. Exit status: 0 fine; 1 no, or it could not be done; 2 the command line is wrong;
3 the agent does not run, what was printed comes from disk and kernel."""
"""Behind the commands in `causeway-agent --help`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `causeway-agent` command."""
    words = sys.argv[1:] if arguments is None else arguments
    options = command_line(words).parse_args(words)
    try:
        sys.exit(options.command(options))
    except (AgentError, local.RefusedError) as error:
        _complain(str(error))
        sys.exit(FAILURE)


def command_line(words: Collection[str] | None = None) -> argparse.ArgumentParser:
    """Return what reads the words of `causeway-agent`. Given these, commands that are not among them may lack
    their options: what those are made of would be loaded at each start.
    """
    parser = argparse.ArgumentParser(
        prog="causeway-agent",
        description="The agent of a Causeway appliance. Something is wrong? Begin with status, then explain.",
        epilog=GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--settings", type=Path, default=settings.DEFAULT_PATH, help="default: %(default)s")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    started = commands.add_parser("run", help="run the agent until SIGTERM")
    started.set_defaults(command=_with_settings(_run))
    first_boot.add_parsers(commands, run=_run, say=_complain)
    back = commands.add_parser("rollback", help="take back a change that is not final, agent alive or dead")
    back.add_argument("change", metavar="CHANGE", help="its identifier, as journal shows it")
    _json_option(back)
    back.set_defaults(command=_with_settings(_rollback))
    for name, command, about in (
        ("status", _status, "what the appliance is now"),
        ("explain", _explain, "the path of a packet through this appliance"),
        ("journal", _journal, "the last changes, with their operations"),
        ("rules", _rules, "the public rules, with what they let through"),
    ):
        one = commands.add_parser(name, help=about)
        _json_option(one)
        one.set_defaults(command=_with_settings(command))
        if name == "explain" and (words is None or name in words):
            _explain_parser(one)
    one = commands.add_parser("capture", help="packets of a device, as text or as a pcap file")
    if words is None or "capture" in words:
        _capture_parser(one)
    return parser


def _json_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _with_settings(
    command: Callable[[Settings, argparse.Namespace], int],
) -> Callable[[argparse.Namespace], int]:
    return lambda options: command(settings.load(options.settings), options)


def _explain_parser(parser: argparse.ArgumentParser) -> None:
    from causeway_agent.plan.explain.packet import Kind  # noqa: PLC0415

    parser.add_argument("source", metavar="SRC", type=_address, help="address that sends; no names here")
    parser.add_argument("destination", metavar="DST", type=_address, help="address that it is for")
    kinds = [kind.value for kind in Kind]
    parser.add_argument("proto", metavar="PROTO", nargs="?", choices=kinds, help=", ".join(kinds))
    parser.add_argument("port", metavar="PORT", nargs="?", type=_bounded(65535), help="of tcp or udp")
    parser.add_argument("--size", metavar="OCTETS", type=_bounded(65535), help="with its IP header")
    parser.add_argument("--entry", metavar="DEVICE", help="where it enters, if not where it belongs")


def _capture_parser(parser: argparse.ArgumentParser) -> None:
    from causeway_agent.commands import capture  # noqa: PLC0415
    from causeway_agent.plan.capture import program  # noqa: PLC0415

    parser.set_defaults(command=_capture)
    parser.add_argument("device", metavar="DEVICE", help="an adapter, VLAN or tunnel, as status shows it")
    parser.add_argument("--host", type=_address, metavar="A", help="this address at either end; ARP too")
    parser.add_argument(
        "--port", type=_bounded(65535), metavar="N", help="this TCP or UDP port at either end"
    )
    protocols = [protocol.value for protocol in program.CaptureProtocol]
    parser.add_argument("--proto", choices=protocols, help="icmp is that of both IP versions")
    for name, default, most, what in (
        ("seconds", capture.SECONDS, capture.LONGEST_SECONDS, "time"),
        ("packets", capture.PACKETS, capture.MOST_PACKETS, "packets"),
        ("bytes", capture.BYTES, capture.MOST_BYTES, "bytes of the file"),
    ):
        about = f"{what} at most; {default:,.0f} unless given, {most:,.0f} at the very most"
        kind = _bounded(most) if name == "seconds" else _bounded(int(most))
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=about)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--write", metavar="FILE", help="a new pcap file, or - for standard output")
    _json_option(form)


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        hint = "an appliance knows no names; the controller does: `causeway explain A B`"
        raise argparse.ArgumentTypeError(f"{text} is no IP address, and {hint}") from None


def _bounded(most: float) -> Callable[[str], float]:
    """A positive number up to this one, whole if this one is."""

    def number(text: str) -> float:
        value = type(most)(text)
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"between 0 and {most:,.0f}, 0 not included")
        return value

    return number


def _run(loaded: Settings, options: argparse.Namespace) -> int:
    load_lean()
    gc.disable()  # modules are not garbage
    import asyncio  # noqa: PLC0415

    from causeway_agent import app  # noqa: PLC0415

    compiled.forget()
    collect_rarely()
    app.configure_logs()
    asyncio.run(app.run(loaded, options.settings))
    return 0


def _rollback(loaded: Settings, options: argparse.Namespace) -> int:
    load_lean()
    from causeway_agent import app, rollback  # noqa: PLC0415

    app.configure_logs()
    try:
        state = rollback.run(loaded, options.settings, options.change, say=_complain)
    except rollback.NotTakenBackError as error:
        _complain(str(error))
        return FAILURE
    if options.json:
        _say({"change": options.change, "state": state}, (), as_json=True)
    return 0


def load_lean() -> None:
    """Load libraries without the parts that an agent never uses; for a process that is nothing else.

    structlog takes rich where the controller has it installed (3 MB), for terminals that our JSON lines never
    meet.
    """
    # None is the import system's word for "not here" (Python language reference, 5.3.1).
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]


def collect_rarely() -> None:
    """Look for cyclic garbage seldom, and never among the modules.

    A document of a thousand VMs becomes tens of thousands of objects and no cycle. With Python's own
    thresholds each change of it led to a search through everything there is, which stopped the event loop,
    echoes of tunnels included, for a tenth of a second.
    """
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def _status(loaded: Settings, options: argparse.Namespace) -> int:
    try:
        found = status.fetch(local.LocalAgent(Path(loaded.run_directory)))
    except local.AgentDownError as error:
        _complain_down(error)
        _say_offline_status(loaded, options)
        return AGENT_DOWN
    _say(found, status.render(found, datetime.now(UTC)), as_json=options.json)
    return 0


def _say_offline_status(loaded: Settings, options: argparse.Namespace) -> None:
    import asyncio  # noqa: PLC0415

    from causeway_agent import offline  # noqa: PLC0415

    found = asyncio.run(offline.status(loaded))
    _say(found, status.render(found, datetime.now(UTC)), as_json=options.json)


def _explain(loaded: Settings, options: argparse.Namespace) -> int:
    from causeway_agent.commands import path  # noqa: PLC0415
    from causeway_agent.plan.explain.packet import Kind, Packet  # noqa: PLC0415

    if missing := path.missing(options.entry):
        _complain(missing)
        return FAILURE
    kind = Kind(options.proto) if options.proto else None
    packet = Packet(options.source, options.destination, kind, options.port, options.size)
    agent = local.LocalAgent(Path(loaded.run_directory))
    try:
        found = path.fetch(agent, packet, entry=options.entry)
    except local.AgentDownError as error:
        import asyncio  # noqa: PLC0415

        from causeway_agent import offline  # noqa: PLC0415

        _complain_down(error)
        _complain("packet filter, processes and public rules are taken to be as the disk says")
        told = asyncio.run(offline.explain(loaded, packet, entry=options.entry))
        found = told.told(offline.counters())
        _say(found, path.render(found), as_json=options.json)
        return AGENT_DOWN
    _say(found, path.render(found), as_json=options.json)
    return 0 if found["works"] else FAILURE


def _journal(loaded: Settings, options: argparse.Namespace) -> int:
    from causeway_agent.backends.host.storage import DirectoryStorage  # noqa: PLC0415
    from causeway_agent.commands import changes  # noqa: PLC0415
    from causeway_agent.engine.journal import Journal  # noqa: PLC0415

    recovered = Journal(DirectoryStorage(Path(loaded.state_directory))).recover()
    found = {"changes": recovered.changes, "damage": recovered.damage}
    _say(msgspec.to_builtins(found), changes.render(recovered), as_json=options.json)
    return FAILURE if recovered.damage else 0


def _rules(loaded: Settings, options: argparse.Namespace) -> int:
    try:
        found = rules.fetch(local.LocalAgent(Path(loaded.run_directory)))
    except local.AgentDownError as error:
        _complain_down(error)
        found = {"table": _kept_rules(loaded), "counters": {}}
        _say(found, rules.render(found), as_json=options.json)
        return AGENT_DOWN
    _say(found, rules.render(found), as_json=options.json)
    return 0


def _kept_rules(loaded: Settings) -> object:
    """The table as the disk holds it."""
    from causeway_agent import offline  # noqa: PLC0415
    from causeway_wire import codec  # noqa: PLC0415

    return msgspec.json.decode(codec.encode(offline.rules(loaded).document()))


def _capture(options: argparse.Namespace) -> int:
    from causeway_agent.backends.segment import capture_socket  # noqa: PLC0415
    from causeway_agent.commands import capture  # noqa: PLC0415
    from causeway_agent.plan.capture import program  # noqa: PLC0415

    protocol = program.CaptureProtocol(options.proto) if options.proto else None
    wanted = program.Wanted(host=options.host, port=options.port, protocol=protocol)
    bounds = capture.Bounds(seconds=options.seconds, packets=options.packets, octets=options.bytes)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(capture_socket.opened(options.device, wanted))
        if options.write is None:
            show = capture.as_json if options.json else capture.as_text
            summary = show(source, bounds, _write_through)
        else:
            file = stack.enter_context(capture_socket.output(options.write, octets=options.bytes))
            summary = capture.as_file(source, bounds, file.write)
        _complain(summary.sentence())
    return 0


def _write_through(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _say(document: object, lines: Iterable[str], *, as_json: bool) -> None:
    text = json.dumps(document, indent=2) if as_json else "\n".join(lines)
    sys.stdout.write(text + "\n")


def _complain_down(error: local.AgentDownError) -> None:
    _complain(f"the agent does not run ({error}); this is what disk and kernel say")


def _complain(sentence: str) -> None:
    sys.stderr.write(f"causeway-agent: {sentence}\n")


if __name__ == "__main__":
    main()
