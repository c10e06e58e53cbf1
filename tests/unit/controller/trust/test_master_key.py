"""Master keys: read from where only we can read, bounded, and never shown in an error."""

from __future__ import annotations

import base64
import os
import stat
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_controller.errors import MasterKeyError
from causeway_controller.trust import master_key
from causeway_controller.trust.master_key import Credential, KeyCommand, KeyFile, MasterKeys
from causeway_wire.types import Secret

LETTERS = base64.b64encode(bytes(range(2, 34))).decode()
KEYS = master_key.parse(
    Secret(f"1 {base64.b64encode(bytes(range(1, 33))).decode()}\n2 {LETTERS}\n"), source="the tests"
)
TEXT = KEYS.text().reveal()
OTHER_USER = 65534


def kept(path: Path, text: str = TEXT, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def same(one: MasterKeys, other: MasterKeys) -> bool:
    return one.text() == other.text()


def test_keys_are_read_from_a_file_a_credential_and_a_command(tmp_path: Path) -> None:
    path = kept(tmp_path / master_key.CREDENTIAL, mode=0o400)
    for source in (KeyFile(path), Credential(tmp_path), KeyCommand(("cat", str(path)))):
        assert same(master_key.read(source), KEYS)


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    first = master_key.make()
    both = first.with_new()
    assert (first.newest, both.newest, both.numbers) == (1, 2, (1, 2))
    assert both.octets(1) == first.octets(1)


@given(st.sets(st.integers(1, master_key.MAX_NUMBER), min_size=1, max_size=5))
def test_what_is_written_is_read_again(numbers: set[int]) -> None:
    keys = {number: os.urandom(32) for number in numbers}
    lines = "".join(f"{number}  {base64.b64encode(key).decode()}\n\n# x\n" for number, key in keys.items())
    read = master_key.parse(Secret(lines), source="test")
    assert {number: read.octets(number) for number in read.numbers} == keys
    assert same(master_key.parse(read.text(), source="test"), read)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key in it"),
        ("# 1 nothing\n", "no key in it"),
        (LETTERS, "line 1 is not a number"),
        (f"x {LETTERS}", "line 1 is not a number"),
        (f"\n1 {LETTERS} more", "line 2 is not a number"),
        (f"-1 {LETTERS}", "line 1 is not a number"),
        (f"0 {LETTERS}", "numbers are 1 to 65535"),
        (f"65536 {LETTERS}", "numbers are 1 to 65535"),
        (f"1 {LETTERS[:-4]}", "octets, 32 are wanted"),
        (f"1 {LETTERS[:-1]}", "is not base64"),
        (f"1 {LETTERS}{LETTERS}", "is not base64"),
        (f"1 !{LETTERS[1:]}", "is not base64"),
        (f"1 {'A' * 43}=", "placeholder"),
        (f"1 {LETTERS}\n1 {LETTERS}", "two keys numbered 1"),
        (f"1 {LETTERS}\n2 {LETTERS}", "key 2 under another number"),
        ("1 ä", "no text"),
    ],
)
def test_what_holds_no_keys_is_refused_and_not_shown(tmp_path: Path, text: str, why: str) -> None:
    path = kept(tmp_path / "keys", text)
    with pytest.raises(MasterKeyError, match=why) as refused:
        master_key.read(KeyFile(path))
    seen: BaseException | None = refused.value
    while seen is not None:
        assert LETTERS[:8] not in repr(seen)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(MasterKeyError, match=f"mode {mode:04o}"):
        master_key.read(KeyFile(kept(tmp_path / "keys", mode=mode)))


def test_a_credential_may_show_the_mask_of_its_access_list_and_no_more(tmp_path: Path) -> None:
    path = kept(tmp_path / master_key.CREDENTIAL, mode=0o440)
    assert same(master_key.read(Credential(tmp_path)), KEYS)
    for mode in (0o444, 0o460, 0o404):
        path.chmod(mode)
        with pytest.raises(MasterKeyError, match="others may use it"):
            master_key.read(Credential(tmp_path))


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path / "keys")
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, why in (("link", "no link"), ("fifo", "not a regular file"), ("none", "No such file")):
        with pytest.raises(MasterKeyError, match=why):
            master_key.read(KeyFile(tmp_path / name))
    with pytest.raises(MasterKeyError, match="not a regular file"):
        master_key.read(KeyFile(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path / "keys")
    os.chown(path, OTHER_USER, OTHER_USER)
    with pytest.raises(MasterKeyError, match=f"of user {OTHER_USER}"):
        master_key.read(KeyFile(path))
    with pytest.raises(MasterKeyError, match=f"of user {OTHER_USER}"):
        master_key.replace(path, KEYS)
    assert path.stat().st_uid == OTHER_USER


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match="more than 65536 octets"):
        master_key.read(KeyFile(kept(tmp_path / "keys", "#" * 65537)))


def python(script: str, seconds: float = 30.0) -> KeyCommand:
    return KeyCommand((sys.executable, "-c", script), seconds=seconds)


def test_a_command_that_gives_no_keys_is_refused_and_its_output_not_shown(tmp_path: Path) -> None:
    failing = f"print('1 {LETTERS}', flush=True); raise SystemExit(3)"
    for command, why in (
        (python(failing), "ended with status 3"),
        (python("while True: print('x' * 9999)"), "more than 65536 octets"),
        (python("import sys; sys.stdout.buffer.write(b'1 \\xff')"), "no text"),
        (KeyCommand((str(tmp_path / "none"),)), "cannot be started"),
        (KeyCommand(()), "names no program"),
    ):
        with pytest.raises(MasterKeyError, match=why) as refused:
            master_key.read(command)
        assert LETTERS[:8] not in str(refused.value)


def test_a_shell_is_never_asked(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match="cannot be started"):
        master_key.read(KeyCommand((f"touch {tmp_path}/touched; cat",)))
    assert not (tmp_path / "touched").exists()


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(MasterKeyError, match="not done after 2 s"):
        master_key.read(python(script, seconds=2.0))
    assert gone(int((tmp_path / "child").read_text()))


def test_a_command_may_not_wait_for_what_it_left_behind() -> None:
    """Who holds the pipe after the command is over is ended at the deadline, with an error."""
    with pytest.raises(MasterKeyError, match="not done after 1 s"):
        master_key.read(KeyCommand(("sh", "-c", f"echo '1 {LETTERS}'; sleep 600 &"), seconds=1.0))


def gone(pid: int) -> bool:
    """Whether it has ended, or soon does; a zombie has."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_keys_are_never_shown() -> None:
    for shown in (repr(KEYS), str(KEYS), repr(KEYS.text()), f"{KEYS}"):
        assert LETTERS[:8] not in shown
        assert repr(KEYS.octets(2))[2:10] not in shown


def test_a_first_key_is_made_for_its_owner_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "vault" / "master.key"
    made = master_key.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert same(master_key.read(KeyFile(path)), made)
    with pytest.raises(MasterKeyError, match="left as it is"):
        master_key.create(path)
    assert same(master_key.read(KeyFile(path)), made)
    assert [each.name for each in path.parent.iterdir()] == ["master.key"]


def test_a_key_is_added_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    master_key.replace(path, master_key.create(path).with_new())
    assert master_key.read(KeyFile(path)).numbers == (1, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_last_number_has_no_successor() -> None:
    last = master_key.parse(Secret(f"{master_key.MAX_NUMBER} {LETTERS}"), source="test")
    with pytest.raises(MasterKeyError, match="numbers are 1 to 65535"):
        last.with_new()
