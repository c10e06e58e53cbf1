"""Settings: every one that is wrong is named, with where it is and what to do."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from causeway_controller import settings
from causeway_controller.errors import SettingsError

GOOD = """
state: /srv/disaster
tls:
  listen: "[2001:db8::1]:9000"
log: {level: warning}
"""


def load(tmp_path: Path, text: str, **environment: str) -> settings.Settings:
    file = tmp_path / "controller.yaml"
    file.write_text(text)
    return settings.load(file, environment)


def wrong(tmp_path: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, **environment)
    return str(caught.value).splitlines()


def test_what_is_not_said_follows_from_the_state_directory(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert found.store.reveal() == "sqlite:////srv/disaster/causeway.db"
    assert found.master_key.file == Path("/srv/disaster/master.key")
    assert found.tls == settings.Tls(
        listen=settings.Listen(address="2001:db8::1", port=9000),
        certificate=Path("/srv/disaster/tls/certificate.pem"),
        key=Path("/srv/disaster/tls/key.pem"),
    )
    assert (str(found.tls.listen), found.log_level, found.log_format) == (
        "[2001:db8::1]:9000",
        "warning",
        "json",
    )


def test_hooks_are_commands_and_addresses_by_their_names(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "hooks:\n  hold: {call: command:/usr/bin/hold --fast}\n"
        "  tell: {call: 'https://hooks.example/x', token_file: /etc/token}\n",
    )
    assert found.hooks == {
        "hold": settings.HookTarget(command=("/usr/bin/hold", "--fast")),
        "tell": settings.HookTarget(url="https://hooks.example/x", token_file=Path("/etc/token")),
    }
    assert load(tmp_path, "state: /srv/disaster").hooks == {}


@pytest.mark.parametrize(
    "text",
    [
        "{call: 'http://hooks.example/x'}",
        "{call: 'https://anna:secret@hooks.example/x'}",
        "{call: command:hold}",
        "{call: 'command:'}",
        "{run: /usr/bin/hold}",
        "{call: command:/usr/bin/hold, token_file: /etc/token}",
        "{token_file: /etc/token}",
    ],
)
def test_a_hook_that_cannot_be_meant_is_named(tmp_path: Path, text: str) -> None:
    (line,) = wrong(tmp_path, f"hooks: {{hold: {text}}}")
    assert line.startswith("hooks.hold.")
    assert "secret@" not in line


@pytest.mark.parametrize("text", ["hooks: {}", "hooks:", "hooks:\ntls: {}\nlog:"])
def test_a_section_that_nothing_is_said_in_sets_nothing(tmp_path: Path, text: str) -> None:
    found = load(tmp_path, text)
    assert (found.hooks, found.tls, found.log_level) == ({}, None, "info")


@pytest.mark.parametrize("text", ["{hold: {}}", "{hold: }", "{hold: 'command:/usr/bin/hold'}"])
def test_a_hook_without_its_members_is_told_which_it_has(tmp_path: Path, text: str) -> None:
    (line,) = wrong(tmp_path, f"hooks: {text}")
    assert line.startswith("hooks.hold (")
    assert "a hook has `call`" in line


def test_what_is_left_empty_is_told_in_the_words_of_its_setting(tmp_path: Path) -> None:
    unknown, call, state = wrong(tmp_path, "state:\nhooks: {hold: {call: }}\nhoks: {}")
    assert "no such setting" in unknown
    assert "say command:/PATH" in call
    assert "no absolute path" in state


def test_without_a_listener_there_is_no_tls(tmp_path: Path) -> None:
    assert load(tmp_path, "state: /srv/disaster").tls is None


def test_the_environment_stands_above_the_file(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD, CAUSEWAY_STATE="/data", CAUSEWAY_TLS_LISTEN="192.0.2.1")
    assert (found.state, str(found.tls and found.tls.listen)) == (Path("/data"), "192.0.2.1:8444")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("credential", settings.MasterKey()),
        ("file:/etc/k", settings.MasterKey(file=Path("/etc/k"))),
        ("command:get key 'a b'", settings.MasterKey(command=("get", "key", "a b"))),
    ],
)
def test_where_the_master_key_is(tmp_path: Path, text: str, expected: settings.MasterKey) -> None:
    found = load(tmp_path, f'master_key: "{text}"').master_key
    assert (found, found.credential) == (expected, text == "credential")


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    found = wrong(
        tmp_path,
        "state: var/lib\nstore: mysql://x\nsokcet: /x\ntls: {listen: everywhere}\nlog: {format: 7}\n",
        CAUSEWAY_MASTER_KEY="file:key",
    )
    told = "\n".join(found)
    for name, place in (
        ("state", "controller.yaml:1:8"),
        ("store", "controller.yaml:2:8"),
        ("sokcet", "controller.yaml:3:9"),
        ("tls.listen", "controller.yaml:4:15"),
        ("log.format", "controller.yaml:5:15"),
        ("master_key", "environment variable CAUSEWAY_MASTER_KEY"),
    ):
        (line,) = [line for line in found if line.startswith(name + " ")]
        assert place in line
    assert "there are state, name, sources, lease, store, socket" in told
    assert len(found) == 6


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "x",
        "state: [/a]",
        "state: true",
        "state: {}",
        "tls.listen: 192.0.2.1",
        "a/b: 1",
        "state: ''",
        "tls: {listen: '192.0.2.1:0'}",
        "tls: {listen: '192.0.2.1:70000'}",
        "tls: {listen: '192.0.2.1:\u0661'}",
        "tls: {certificate: /x}",
        "socket_group: 'two words'",
        "socket_group: -x",
        "master_key: 'command:'",
        'master_key: "command:\'"',
        'state: "/a\\0b"',
        "state: /a\nstate: /b",
        "- a\n b",
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    assert wrong(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone.yaml.*--config"):
        settings.load(tmp_path / "gone.yaml", {})


def test_the_stores_password_is_not_shown(tmp_path: Path) -> None:
    found = load(tmp_path, "store: postgresql://causeway:hidden@db/causeway")
    assert "hidden" not in repr(found)
    assert "hidden" not in "".join(wrong(tmp_path, "store: mysql://causeway:hidden@db/causeway"))


def test_a_controller_has_a_name_and_says_where_it_connects_from(tmp_path: Path) -> None:
    found = load(tmp_path, "name: ctl1\nsources: 192.0.2.10, 2001:db8::/64\nlease: 30\n")
    assert (found.name, found.lease) == ("ctl1", 30.0)
    assert [str(source) for source in found.sources] == ["192.0.2.10/32", "2001:db8::/64"]


def test_nobody_but_the_owner_has_the_socket_unless_a_group_is_said(tmp_path: Path) -> None:
    assert load(tmp_path, "state: /srv/disaster").socket_group is None
    assert load(tmp_path, "socket_group: causeway").socket_group == "causeway"


def test_without_a_name_it_has_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Ctl_1.Example.")
    assert load(tmp_path, "state: /srv/disaster").name == "ctl-1.example"
    monkeypatch.setattr(socket, "gethostname", lambda: "___")
    assert load(tmp_path, "state: /srv/disaster").name == "controller"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("name: Ctl_1", "lower-case DNS name"),
        ("sources: 192.0.2.1/24", "has host bits set"),
        ("sources: here", "192.0.2.10"),
        ("sources: [192.0.2.1]", "several values are one text"),
        ("lease: 1", "from 2 to 300"),
        ("lease: 5s", "from 2 to 300"),
    ],
)
def test_a_wrong_name_source_or_lease_is_told(tmp_path: Path, text: str, word: str) -> None:
    (told,) = wrong(tmp_path, text)
    assert word in told


def test_patience_with_slow_appliances_is_a_number_of_times(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).patience == 1.0
    assert load(tmp_path, GOOD + "appliances: {patience: 8}").patience == 8.0
    (said,) = wrong(tmp_path, "appliances: {patience: 11}")
    assert said.startswith("appliances.patience")
    assert "no whole number from 1 to 10" in said


def test_the_reference_names_every_setting_as_it_is() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/reference/controller-api.md").read_text()
    rows = page.split("<!-- settings -->\n")[1].split("<!-- end of settings -->")[0].splitlines()[2:]
    assert rows == [
        f"| `{name}` | `{one.variable}` | {f'`{one.default}`' if one.default else ''} | {one.about} |"
        for name, one in settings.SETTINGS.items()
    ]


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummy anna"


def test_appliances_are_given_keys_and_time_servers(tmp_path: Path) -> None:
    text = f"appliances:\n  time_servers: 192.0.2.123, 2001:db8::123\n  ssh_keys: |\n    # ours\n    {KEY}\n"
    found = load(tmp_path, text)
    assert found.ssh_keys == (KEY,)
    assert found.time_servers == (ip_address("192.0.2.123"), ip_address("2001:db8::123"))
    bare = load(tmp_path, "state: /srv/disaster")
    assert (bare.ssh_keys, bare.time_servers) == ((), ())


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("time_servers", "ntp.example", "is no IP address"),
        ("time_servers", " ".join(f"192.0.2.{number}" for number in range(9)), "at most 8"),
        ("ssh_keys", f"{KEY}\nnonsense", "line 2 is no SSH public key"),
        ("ssh_keys", 'command="/bin/sh" ' + KEY, "without options"),
        ("ssh_keys", "-----BEGIN OPENSSH PRIVATE KEY-----", "line 1 is no SSH public key"),
        ("ssh_keys", "\n".join([f"ssh-rsa {'A' * 1000}"] * 9), "8192 fit"),
    ],
)
def test_what_no_seed_could_carry_is_refused_by_name(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    variable = f"CAUSEWAY_APPLIANCES_{name.upper()}"
    (told,) = wrong(tmp_path, "state: /srv/disaster", **{variable: text})
    assert told.startswith(f"appliances.{name} (environment variable {variable}): ")
    assert words in told
