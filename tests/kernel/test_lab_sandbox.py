"""A sandbox leaves nothing behind, passes everything through, and says what to do when it cannot be."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from causeway_lab import sandbox

pytestmark = pytest.mark.kernel


def _run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        sandbox.command(*arguments), input=stdin, capture_output=True, text=True, check=False, timeout=15
    )


def test_input_output_and_exit_code_pass_through() -> None:
    done = _run("sh", "-c", "cat; echo problem >&2; exit 7", stdin="hello")
    assert (done.stdout, done.stderr, done.returncode) == ("hello", "problem\n", 7)


def test_a_command_ended_by_a_signal_has_the_shell_s_exit_code() -> None:
    assert _run("sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_a_missing_command_is_said() -> None:
    done = _run("no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr


def test_namespaces_made_inside_are_not_seen_outside() -> None:
    assert _run("ip", "netns", "add", "inner").returncode == 0
    assert not Path("/run/netns/inner").exists()


def test_the_command_gets_the_signal_and_ends_orderly() -> None:
    script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    with subprocess.Popen(sandbox.command("sh", "-c", script), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "bye\n"
        assert process.wait(15) == 5


def test_killing_the_sandbox_ends_everything_in_it() -> None:
    script = "setsid sleep 300 & echo up; wait"
    with subprocess.Popen(
        sandbox.command("sh", "-c", script), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        below = _below(process.pid)
        assert len(below) >= 3
        process.kill()
        process.wait(5)
    deadline = time.monotonic() + 5
    while (alive := [pid for pid in below if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive == []


def test_an_unprivileged_user_gets_the_same() -> None:
    done = _unprivileged("id -u; ip netns add x && ip -n x link set lo up && echo made")
    assert (done.stdout, done.returncode) == ("0\nmade\n", 0)


def test_a_host_that_denies_namespaces_is_explained() -> None:
    limits = "for kind in user net; do echo 0 > /proc/sys/user/max_${kind}_namespaces; done"
    done = _unprivileged(f"{limits}; {sys.executable} -m causeway_lab.sandbox -- true")
    assert done.returncode == sandbox.EXIT_UNAVAILABLE
    assert "user.max_user_namespaces" in done.stderr


def test_a_tree_that_was_entered_by_chroot_will_do(tmp_path: Path) -> None:
    """Its root directory is no mount point, so that mounts in it cannot be made private as they are."""
    script = (
        "ip netns add x && unshare --user --map-root-user id -u && findmnt --noheadings --output TARGET /"
    )
    done = _in_a_plain_tree(tmp_path, f"cd / && {' '.join(sandbox.command('sh', '-c', shlex.quote(script)))}")
    assert (done.stdout, done.stderr, done.returncode) == ("0\n/\n", "", 0)


def test_programs_of_the_system_are_found_whatever_the_path(tmp_path: Path) -> None:
    command = sandbox.command("sh", "-c", "ip -brief link show lo && nft --version")
    for path in ("/usr/bin:/bin", str(tmp_path), ""):
        done = subprocess.run(
            command, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=15
        )
        assert (done.stderr, done.returncode) == ("", 0), path


def _in_a_plain_tree(tree: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script by chroot in a directory that is no mount point and holds what this root holds."""
    entries = [entry for entry in Path("/").iterdir() if entry.name not in {"tmp", "run", "lost+found"}]
    enter = ["mount --make-rprivate /"]
    for entry in entries:
        inside = tree / entry.name
        if entry.is_symlink():
            inside.symlink_to(entry.readlink())
        elif entry.is_dir():
            inside.mkdir()
            enter.append(f"mount --rbind {entry} {inside}")
    (tree / "run").mkdir()
    enter.append(f"chroot {tree} sh -c {shlex.quote(script)}")
    return subprocess.run(
        ["unshare", "--mount", "sh", "-ec", "\n".join(enter)],
        capture_output=True,
        text=True,
        check=False,
        timeout=15,
    )


def _unprivileged(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a sandbox as a user without privileges, also when we are root.

    Where we are not the host's root, in a user namespace of its own, so that its limits are not ours.
    """
    everyone = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    ordinary = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    user = ordinary if everyone else ("unshare", "--user", "--map-root-user")
    return subprocess.run(
        [*user, *sandbox.command("sh", "-c", script)], capture_output=True, text=True, check=False, timeout=15
    )


def _below(pid: int) -> list[int]:
    """All descendants of a process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
