"""The command `causeway host add`: a host met, logged in to, looked at, and only then entered."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from msgspec import UNSET

from causeway_controller.cli import errors, telling
from causeway_controller.cli.hosts import marked
from causeway_controller.cli.options import DryRun, Json
from causeway_controller.commands import logins
from causeway_controller.commands.ending import CONFIG, settings_as_owner, told
from causeway_controller.contract.provider import Host, HostKind, StorageKind
from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError, combine
from causeway_wire.types import Secret

_PINNED: Final = {HostKind.VSPHERE: 443, HostKind.HYPERV: 5986}
"""Kinds that are met over TLS and known by their key, and at which port where the endpoint says none."""
_STORAGE: Final = {HostKind.LIBVIRT: StorageKind.DIRECTORY, HostKind.HYPERV: StorageKind.DIRECTORY}
"""What a kind keeps disks in, where it is no datastore."""
_OPTIONS: Final = {
    "id": "HOST",
    "endpoint": "--endpoint",
    "storage/id": "--storage",
    "cluster": "--cluster",
    "login": "--login",
    "pin": "--pin",
}
"""Which word of the command a member of the host is."""
_MEMBER: Final = re.compile(r"(/hosts/\d+)?/(?P<member>.+)")
_ENDPOINTS: Final = {
    HostKind.VSPHERE: "https://vcenter.example/sdk",
    HostKind.HYPERV: "https://hv1.example/wsman",
    HostKind.LIBVIRT: "qemu+tls://kvm1.example/system",
    HostKind.LAB: "unix:///PATH",
}

Name = Annotated[str, typer.Argument(metavar="HOST", help="What it is to be called.", show_default=False)]
Config = Annotated[Path | None, CONFIG]


def add(
    name: Name,
    *,
    kind: Annotated[HostKind, typer.Option(help="Of which kind it is.", show_default=False)],
    endpoint: Annotated[str, typer.Option(metavar="URL", help="Where it is commanded.", show_default=False)],
    storage: Annotated[str, typer.Option(metavar="ID", help="Where appliances are put.", show_default=False)],
    cluster: Annotated[str | None, typer.Option(metavar="ID", help="Of vSphere, such as domain-c8.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Whose password is then asked for, or read from standard input.")
    ] = None,
    login: Annotated[
        str | None, typer.Option(metavar="SECRET", help="In the vault; the host's name where a user is said.")
    ] = None,
    pin: Annotated[
        str | None, typer.Option(metavar="SHA256", help="Of its public key, known from elsewhere.")
    ] = None,
    authorities: Annotated[
        bool, typer.Option("--system-authorities", help="Know it by the system's authorities, not by a pin.")
    ] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Enter it also with problems.")] = False,
    dry_run: DryRun = False,
    json_wanted: Json = False,
    config: Config = None,
) -> None:
    """Enter a host into the inventory, after a look at it; its password goes into the vault.

    On the controller's own host. One that is known by its key is met first: its key is shown, and confirmed
    by you, or said with `--pin`. Nothing is changed before all is well. Exit code 1 where it was not
    entered, or with `--dry-run` would not be.

    Endpoints are such as https://vcenter.example/sdk, https://hv1.example/wsman or
    qemu+tls://kvm1.example/system; `--storage` is a datastore's id, on Hyper-V a directory, on libvirt a
    pool's name.
    """
    from causeway_controller.app import host_entry  # noqa: PLC0415 - it takes half a second

    if "://" not in endpoint:
        telling.end(f"--endpoint: say a URL, such as {_ENDPOINTS[kind]}", errors.USAGE)
    if authorities and (why := _meaningless(kind, pinned=pin is not None)):
        telling.end(f"--system-authorities: {why}; leave it out", errors.USAGE)
    given: dict[str, Any] = {
        "id": name,
        "kind": kind.value,
        "endpoint": endpoint,
        "storage": {"id": storage, "kind": _STORAGE.get(kind, StorageKind.DATASTORE).value},
        **({} if cluster is None else {"cluster": cluster}),
        **({} if pin is None else {"pin": pin.replace(":", "").lower()}),
    }
    if user is not None or login is not None:
        given["login"] = login or name
    with told(), telling.told(json_wanted=json_wanted), _by_option(wanted=not json_wanted):
        host = codec.decode(msgspec.json.encode(given), Host)
        settings = settings_as_owner(config)
        host_entry.verify(settings, host)
        if kind in _PINNED and host.pin is UNSET and not authorities:
            host = msgspec.structs.replace(host, pin=_met(host))
        secret: Secret | None = None if user is None else logins.of_user(user)
        came = host_entry.add(settings, host, secret, anyway=anyway, dry=dry_run)
    if json_wanted:
        typer.echo(
            msgspec.json.encode(
                {
                    "host": host,
                    "findings": came.findings,
                    "entered": came.entered,
                    "revision": came.revision,
                }
            ).decode()
        )
    else:
        for line in marked(came.findings):
            typer.echo(line)
        typer.echo(_verdict(host, came.revision, entered=came.entered, may=came.may, dry=dry_run))
    if not came.may:
        raise typer.Exit(errors.REFUSED)


def _meaningless(kind: HostKind, *, pinned: bool) -> str:
    """Why the system's authorities would not be asked about the host; empty where they would."""
    if kind is HostKind.LIBVIRT:
        return (
            "a libvirt host is known over TLS by the authority in the secret of its login, over SSH by the "
            "controller's known_hosts"
        )
    if kind not in _PINNED:
        return f"a host of kind {kind.value} is not met over TLS"
    if pinned:
        return "with --pin the host is known by that key alone, and no authority is asked"
    return ""


@contextmanager
def _by_option(*, wanted: bool) -> Iterator[None]:
    """Have what is refused begin with the option that said it: nobody here has written a document."""
    try:
        yield
    except ProblemError as error:
        if not wanted:
            raise
        raise ProblemError(combine(tuple(map(_named, error.problem.each)))) from error


def _named(one: Problem) -> Problem:
    found = _MEMBER.fullmatch(one.pointer or "")
    option = None if found is None else _OPTIONS.get(found["member"])
    if option is None:
        return one
    return msgspec.structs.replace(one, pointer=UNSET, detail=f"{option}: {one.detail}")


def _met(host: Host) -> str:
    """The pin of who answers there, once a person has said that it is right."""
    from causeway_controller.hypervisors import meeting  # noqa: PLC0415 - as above

    found = meeting.meet(host.endpoint, _PINNED[host.kind])
    for line in (
        f"{host.endpoint} shows a key that is not known yet:",
        f"  SHA-256 of the key  {found.pin}",
        f"  certificate of      {found.subject}",
        f"  signed by           {found.issuer}, until {found.ends:%Y-%m-%d}",
        f"  an authority of this system {'vouches' if found.trusted else 'does not vouch'} for it",
    ):
        typer.echo(line, err=True)
    again = f"compare it on the host itself, then repeat with --pin {found.pin}"
    if found.trusted:
        again += ", or with --system-authorities"
    if not sys.stdin.isatty():
        telling.end(again, errors.REFUSED)
    if not typer.confirm("Is this the key of that host?", err=True):
        telling.end(f"nothing was changed; {again}", errors.REFUSED)
    return found.pin


def _verdict(host: Host, revision: int, *, entered: bool, may: bool, dry: bool) -> str:
    if entered:
        there = f"Host {host.id} is in the inventory, at revision {revision}."
        return f"{there} Next: causeway host selftest {host.id}"
    if dry and not may:
        return f"Host {host.id} would not be entered: see above. Nothing was changed."
    if dry:
        return f"Host {host.id} was looked at; nothing was changed."
    return f"Host {host.id} was not entered, and nothing was changed: see above, or say --anyway."
