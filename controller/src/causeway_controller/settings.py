"""Settings of a controller: one YAML file, environment variables above it; all mistakes are told at once."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from causeway_controller import setting_words as words
from causeway_controller import system_words, yaml_text
from causeway_controller.errors import SettingsError
from causeway_wire.seed import AuthorizedKey
from causeway_wire.types import IPAddress, IPNetwork, Name, Secret

FILE: Final = Path("/etc/causeway/controller.yaml")
PATIENCE: Final = 10
"""Times at the most: with more, deadlines would not nest (`Timing.longer`; its tests see that they do)."""
PORT: Final = 8444
"""The API's over TLS, where only an address is said."""
TENANTS_PORT: Final = 8445
"""Where tenants' controllers are served, the same."""
_URL: Final = re.compile(r"https://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_MAX_PORT: Final = 65535
_LEVELS: Final = ("debug", "info", "warning", "error")
_FORMATS: Final = ("json", "text")
_NAME_LENGTH: Final = 40
_HOOKS: Final = "hooks."
_HOOK_HAS: Final = "a hook has `call`, and `token_file` where that is an address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the API is served over TLS."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The API over TLS."""

    listen: Listen
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ForTenants:
    """Where a provider's controller serves its tenants' controllers."""

    listen: Listen
    url: str
    """Where they find it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKey:
    """Where the keys of the vault are: a file, the service manager's credential, or a command's output."""

    file: Path | None = None
    command: tuple[str, ...] = ()

    @property
    def credential(self) -> bool:
        """Whether the service manager hands them over."""
        return self.file is None and not self.command


@dataclass(frozen=True, slots=True, kw_only=True)
class HookTarget:
    """What a hook of failover plans is: a command, or an address that is posted to."""

    command: tuple[str, ...] = ()
    url: str = ""
    token_file: Path | None = None
    """Whose content is shown at the address as a bearer token (RFC 6750)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is set. The store's URL may have a password in it."""

    name: Name
    """Of this controller, in its certificate and in the audit."""
    sources: tuple[IPNetwork, ...]
    """Where the controllers' connections to appliances come from; appliances listen for nobody else."""
    lease: float
    """Seconds that this controller is believed to live after it last said so."""
    state: Path
    store: Secret
    socket: Path
    socket_group: str | None
    """Whose members are admins at the socket, besides root and the controller's user; None: nobody."""
    master_key: MasterKey
    tls: Tls | None
    """None: nobody is served but who is on this host."""
    image: Path
    """The appliance's qcow2, which libvirt hosts are sent; beside it are vSphere's OVA and Hyper-V's VHDX."""
    interval: float
    """Seconds between two looks at an appliance."""
    patience: float
    """How many times longer than usual to wait for appliances."""
    ssh_keys: tuple[AuthorizedKey, ...]
    """Who may log in at appliances for diagnostics: each has them from its next deployment on."""
    time_servers: tuple[IPAddress, ...]
    """NTP servers of appliances, the same; without any they have their host's clock alone."""
    tenants: ForTenants | None
    """None: no tenant's controller is served."""
    log_format: str
    log_level: str
    hooks: Mapping[Name, HookTarget]
    """By the names that failover plans call them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting, its environment variable, and how its text is read."""

    variable: str
    read: Callable[[str], Any]
    default: str | None
    """`{state}` stands for the state directory."""
    about: str


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings of this file, or of `FILE` where there is one. Raises SettingsError."""
    found, wrong = _gather(path, environment)
    hooks = _hooks({name: found.pop(name) for name in list(found) if name.startswith(_HOOKS)}, wrong)
    values: dict[str, Any] = {"state": Path("/var/lib/causeway")}
    for name, setting in SETTINGS.items():
        text, where = found.get(name, (setting.default, "default"))
        if text is None:
            values[name] = None
            continue
        try:
            values[name] = setting.read(text.replace("{state}", str(values["state"])))
        except ValueError as error:
            wrong.append(f"{name} ({where}): {error}")
    if "tls.listen" not in found and (lonely := [name for name in found if name.startswith("tls.")]):
        wrong.append(
            f"tls.listen: missing, while {', '.join(lonely)} is set; say an address, or leave all out"
        )
    if "tenants.url" in found and "tenants.listen" not in found:
        wrong.append("tenants.listen: missing, while tenants.url is set; say an address, or leave both out")
    if wrong:
        raise SettingsError("\n".join(wrong))
    return _settings(values, hooks)


def _hooks(found: Mapping[str, tuple[str, str]], wrong: list[str]) -> dict[Name, HookTarget]:
    """The hooks `hooks.NAME.call`, and `token_file` beside it."""
    hooks: dict[Name, HookTarget] = {}
    for setting, (text, where) in sorted(found.items()):  # `call` comes before `token_file`
        name, _, member = setting.removeprefix(_HOOKS).rpartition(".")
        if not name:
            wrong.append(f"{setting} ({where}): {_HOOK_HAS}")
            continue
        try:
            name = words.name(json.loads(name) if name.startswith('"') else name)
            hooks[name] = _hook(member, text, hooks.get(name, HookTarget()))
        except ValueError as error:
            wrong.append(f"{setting} ({where}): {error}")
    return hooks


def _hook(member: str, text: str, known: HookTarget) -> HookTarget:
    """The hook with this member of it read, too. Raises ValueError."""
    if member == "token_file" and known.url:
        return replace(known, token_file=_path(text))
    if member != "call":
        raise ValueError(_HOOK_HAS)
    kind, _, rest = text.partition(":")
    if kind == "command" and (arguments := shlex.split(rest)):
        _path(arguments[0])
        return HookTarget(command=tuple(arguments))
    parts = urlsplit(text)
    if parts.scheme == "https" and parts.hostname and parts.username is None:
        return HookTarget(url=text)
    raise ValueError("say command:/PATH ARGUMENT... or https://HOST/PATH; a secret is in neither")


def _settings(values: Mapping[str, Any], hooks: Mapping[Name, HookTarget]) -> Settings:
    listen = values["tls.listen"]
    tls = None
    if listen is not None:
        tls = Tls(listen=listen, certificate=values["tls.certificate"], key=values["tls.key"])
    tenants = None
    if (door := values["tenants.listen"]) is not None:
        tenants = ForTenants(listen=door, url=values["tenants.url"] or f"https://{door}")
    return Settings(
        name=values["name"] or _host_name(),
        sources=values["sources"],
        lease=values["lease"],
        state=values["state"],
        store=values["store"],
        socket=values["socket"],
        socket_group=values["socket_group"],
        master_key=values["master_key"],
        tls=tls,
        image=values["appliances.image"],
        interval=values["appliances.interval"],
        patience=values["appliances.patience"],
        ssh_keys=values["appliances.ssh_keys"],
        time_servers=values["appliances.time_servers"],
        tenants=tenants,
        log_format=values["log.format"],
        log_level=values["log.level"],
        hooks=hooks,
    )


def _gather(
    path: Path | None, environment: Mapping[str, str]
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """The text of each setting that is set and where it is; then what is wrong already."""
    found: dict[str, tuple[str, str]] = {}
    wrong: list[str] = []
    if path is not None or FILE.exists():
        for name, text, where in _in_file(path or FILE):
            if name not in SETTINGS and not name.startswith(_HOOKS):
                there = ", ".join((*SETTINGS, f"{_HOOKS}NAME.call"))
                wrong.append(f"{name} ({where}): no such setting; there are {there}")
            elif text is None:
                wrong.append(f"{name} ({where}): neither text nor a number; several values are one text")
            else:
                found[name] = (text, where)
    for name, setting in SETTINGS.items():
        if setting.variable in environment:
            found[name] = (environment[setting.variable], f"environment variable {setting.variable}")
    return found, wrong


def _in_file(path: Path) -> Iterator[tuple[str, str | None, str]]:
    """Name, text and place of everything in the file. Raises SettingsError."""
    try:
        value, places = yaml_text.read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: it cannot be read ({system_words.why(error)}); name another with --config"
        ) from error
    except yaml_text.NotYamlError as error:
        raise SettingsError(f"{path}:{error.line}:{error.column}: {error}") from error
    for name, inner, pointer in _flat(value, "", ""):
        if (empty := inner in ({}, None)) and any(
            known.startswith(f"{name}.") for known in (_HOOKS, *SETTINGS)
        ):
            continue  # a section that nothing is said in
        line, column = places[pointer]
        said = isinstance(inner, str | int) and not isinstance(inner, bool)
        text = "" if empty else str(inner) if said else None
        yield name or "the file", text, f"{path}:{line}:{column}"


def _flat(value: Any, name: str, pointer: str) -> Iterator[tuple[str, Any, str]]:
    """`{tls: {listen: x}}` as `tls.listen`, with the RFC 6901 pointer to it."""
    if not isinstance(value, dict) or (name and not value):
        yield name, value, pointer
        return
    for key, inner in value.items():
        word = json.dumps(key) if "." in key else key
        token = key.replace("~", "~0").replace("/", "~1")
        yield from _flat(inner, f"{name}.{word}" if name else word, f"{pointer}/{token}")


def _path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or "\0" in text:
        raise ValueError(f"{json.dumps(text)} is no absolute path; begin it with /")
    return path


def _listen(default: int) -> Callable[[str], Listen]:
    """Read an address and a port, `default` where only an address is said."""

    def read(text: str) -> Listen:
        address, separator, port = text.rpartition(":")
        if not separator or (text.count(":") > 1 and not address.startswith("[")):
            address, port = text, str(default)
        address = address.removeprefix("[").removesuffix("]")
        hint = f"say an address and a port, such as 192.0.2.1:{default} or [2001:db8::1]:{default}"
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise ValueError(f"{json.dumps(address)} is no IP address; {hint}") from error
        return Listen(address=address, port=_port(port, hint))

    return read


def _port(text: str, hint: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_PORT))):
        raise ValueError(f"{json.dumps(text)} is no port; {hint}")
    if not 0 < int(text) <= _MAX_PORT:
        raise ValueError(f"{text} is no port; {hint}")
    return int(text)


def _url(text: str) -> str:
    hint = f"say it as https://dr.example:{TENANTS_PORT}, in lower case and without a path"
    shape = _URL.fullmatch(text)
    if shape is None:
        raise ValueError(f"{json.dumps(text)} is no such URL; {hint}")
    if shape["port"] is not None:
        _port(shape["port"], hint)
    return text


def _master_key(text: str) -> MasterKey:
    kind, _, rest = text.partition(":")
    match kind:
        case "credential" if not rest:
            return MasterKey()
        case "file":
            return MasterKey(file=_path(rest))
        case "command" if arguments := shlex.split(rest):
            return MasterKey(command=tuple(arguments))
    raise ValueError(f"{json.dumps(text)} is none of file:PATH, credential, command:PROGRAM ARGUMENT...")


def _host_name() -> Name:
    """This host's, as a name; a host may be called anything."""
    found = re.sub(r"[^a-z0-9.-]", "-", socket.gethostname().lower()).strip(".-")[:_NAME_LENGTH]
    return found.strip(".-") or "controller"


SETTINGS: Final[Mapping[str, Setting]] = {
    "state": Setting("CAUSEWAY_STATE", _path, "/var/lib/causeway", "directory of what the controller keeps"),
    "name": Setting("CAUSEWAY_NAME", words.name, None, "of this controller; else the host's"),
    "sources": Setting(
        "CAUSEWAY_SOURCES",
        words.networks,
        "",
        "addresses or prefixes, with commas, that controllers reach appliances from",
    ),
    "lease": Setting(
        "CAUSEWAY_LEASE", words.number(2, 300), "10", "seconds until another takes over, 2 to 300"
    ),
    "store": Setting("CAUSEWAY_STORE", words.store, "sqlite:///{state}/causeway.db", "URL of the database"),
    "socket": Setting("CAUSEWAY_SOCKET", _path, "/run/causeway/controller.sock", "the API on this host"),
    "socket_group": Setting(
        "CAUSEWAY_SOCKET_GROUP", words.group, None, "group whose members are admins there"
    ),
    "master_key": Setting("CAUSEWAY_MASTER_KEY", _master_key, "file:{state}/master.key", "keys of the vault"),
    "tls.listen": Setting("CAUSEWAY_TLS_LISTEN", _listen(PORT), None, "address and port of the API over TLS"),
    "tls.certificate": Setting("CAUSEWAY_TLS_CERTIFICATE", _path, "{state}/tls/certificate.pem", "PEM file"),
    "tls.key": Setting("CAUSEWAY_TLS_KEY", _path, "{state}/tls/key.pem", "PEM file"),
    "appliances.image": Setting(
        "CAUSEWAY_APPLIANCES_IMAGE", _path, "{state}/appliance.qcow2", "for libvirt; beside it .ova and .vhdx"
    ),
    "appliances.interval": Setting(
        "CAUSEWAY_APPLIANCES_INTERVAL",
        words.number(1, 3600),
        "30",
        "seconds between two looks, 1 to 3600",
    ),
    "appliances.patience": Setting(
        "CAUSEWAY_APPLIANCES_PATIENCE",
        words.number(1, PATIENCE, ""),
        "1",
        f"times longer to wait for slow ones, 1 to {PATIENCE}",
    ),
    "appliances.ssh_keys": Setting(
        "CAUSEWAY_APPLIANCES_SSH_KEYS",
        words.ssh_keys,
        "",
        "who may log in there, a public key a line; from the next deployment on",
    ),
    "appliances.time_servers": Setting(
        "CAUSEWAY_APPLIANCES_TIME_SERVERS",
        words.time_servers,
        "",
        "addresses of their NTP servers; from the next deployment on",
    ),
    "tenants.listen": Setting(
        "CAUSEWAY_TENANTS_LISTEN", _listen(TENANTS_PORT), None, "address and port for tenants' controllers"
    ),
    "tenants.url": Setting(
        "CAUSEWAY_TENANTS_URL", _url, None, "where they find it, said in invitations; else that address"
    ),
    "log.format": Setting("CAUSEWAY_LOG_FORMAT", words.one_of(_FORMATS), "json", "json or text"),
    "log.level": Setting("CAUSEWAY_LOG_LEVEL", words.one_of(_LEVELS), "info", "the least that is told"),
}
"""All settings by their names in the file; `state` first, for others begin there."""
