"""A release of a copy of this checkout: what it leaves, what outside tools say of it, and when it is refused.

The commands of the how-tos are run as they stand there.
"""

from __future__ import annotations

import email
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from causeway_wire import __version__
from tests import checkouts
from tests.checkouts import MAKEFILE, ROOT, Copy

NEXT = "9.1.0"
VERIFY = ROOT / "docs/how-to/verify-a-download.md"
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return checkouts.copied(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def copy(first: Copy, tmp_path: Path) -> Copy:
    shutil.copytree(first.root, tmp_path / "checkout", symlinks=True)
    return Copy(tmp_path / "checkout")


def private(form: serialization.PrivateFormat, key: object = None) -> bytes:
    key = key or Ed25519PrivateKey.generate()
    assert isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "release.key"
    path.write_bytes(private(serialization.PrivateFormat.PKCS8))
    return str(path)


def commands(page: Path, *, heading: str) -> list[str]:
    """The commands that stand below this heading of a page."""
    text = page.read_text().split(f"## {heading}\n", 1)[1].split("\n## ")[0]
    return [line.strip() for line in re.findall(r"^    (.+)$", text, re.MULTILINE)]


def test_a_release_is_tagged_told_summed_and_signed_and_a_users_tools_agree(copy: Copy, key: str) -> None:
    said = copy.release(NEXT, key=key)
    fingerprint = re.search(r"signed by (SHA256:\S+)", said)
    assert fingerprint is not None
    assert copy.git("log", "-1", "--format=%s") == f"release: {NEXT}"
    assert copy.git("status", "--porcelain") == ""
    assert copy.git("rev-parse", f"v{NEXT}^{{commit}}") == copy.git("rev-parse", "HEAD")
    assert copy.git("cat-file", "-t", f"v{NEXT}") == "tag"
    dist = copy.root / "dist"
    listed = {line.split("  ")[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    others = {"SHA256SUMS", "SHA256SUMS.sig", "release.signers"}
    assert {path.name for path in dist.iterdir()} == listed | others
    assert {f"causeway-{NEXT}.qcow2", f"causeway-{NEXT}.tar.gz"} <= listed
    # What the page tells a user, with what he was given.
    shown = commands(VERIFY, heading="The files")
    assert [command.split()[0] for command in shown] == ["cut", "ssh-keygen", "sha256sum"]
    told = "".join(
        subprocess.run(
            ["bash", "-euc", "\n".join(shown)], check=True, cwd=dist, capture_output=True, text=True
        ).stdout
    )
    assert fingerprint[1] in told
    assert 'Good "causeway-release" signature for release@causeway' in told
    assert told.count(": OK") == len(listed)
    (tag,) = (line.replace("v1.4.0", f"v{NEXT}") for line in commands(VERIFY, heading="The tag"))
    assert "Good" in copy.run("bash", "-euc", tag.replace("release.signers", "dist/release.signers")).stderr


def test_a_change_of_a_file_of_the_sums_or_of_the_signer_is_noticed(copy: Copy, key: str) -> None:
    copy.release(NEXT, "--no-image", key=key)
    dist = copy.root / "dist"
    _, verify, check = commands(VERIFY, heading="The files")
    for name, command in (
        (f"causeway-{NEXT}.tar.gz", check),
        ("SHA256SUMS", verify),
        ("SHA256SUMS.sig", verify),
        ("release.signers", verify),
    ):
        good = (dist / name).read_bytes()
        assert (
            subprocess.run(["bash", "-ec", command], check=False, cwd=dist, capture_output=True).returncode
            == 0
        )
        if name == "release.signers":
            other = Ed25519PrivateKey.generate().public_key()
            text = other.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            (dist / name).write_text(f"release@causeway {text.decode()}\n")
        else:
            place = len(good) // 2
            (dist / name).write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert (
            subprocess.run(["bash", "-ec", command], check=False, cwd=dist, capture_output=True).returncode
            != 0
        )
        (dist / name).write_bytes(good)


def test_the_version_is_said_in_one_place_and_arrives_everywhere(copy: Copy) -> None:
    copy.release(NEXT, "--no-image", "--unsigned")
    changed = copy.git("show", "--name-only", "--format=", "HEAD").split()
    assert [name for name in changed if not name.startswith("changelog.d/")] == [
        "CHANGELOG.md",
        "docs/reference/openapi.json",
        "wire/src/causeway_wire/__init__.py",
    ]
    assert json.loads((copy.root / "docs/reference/openapi.json").read_text())["info"]["version"] == NEXT
    distributions = sorted(path.parent.name for path in copy.root.glob("*/pyproject.toml"))
    wheels = sorted((copy.root / "dist").glob("*.whl"))
    assert [wheel.name for wheel in wheels] == [
        f"causeway_{name}-{NEXT}-py3-none-any.whl" for name in distributions
    ]
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as opened:
            (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
            told = email.message_from_bytes(opened.read(name))
        ours = [line for line in told.get_all("Requires-Dist", []) if line.startswith("causeway")]
        assert told["Version"] == NEXT
        assert all(line.endswith(f"=={NEXT}") for line in ours)
        assert ("causeway-wire" in told["Name"]) is (not ours)
    with tarfile.open(copy.root / f"dist/causeway-{NEXT}.tar.gz") as source:
        assert f"causeway-{NEXT}/Makefile" in source.getnames()


def test_no_other_file_says_the_version() -> None:
    said = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])")
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], check=True, capture_output=True, text=True
    ).stdout
    saying = {name for name in listed.splitlines() if (ROOT / name).is_file() and _says(ROOT / name, said)}
    assert saying - {"CHANGELOG.md"} == {"docs/reference/openapi.json", "wire/src/causeway_wire/__init__.py"}


def _says(path: Path, said: re.Pattern[str]) -> bool:
    try:
        return said.search(path.read_text()) is not None
    except UnicodeDecodeError:
        return False


def test_the_news_are_in_the_changelog_and_in_the_tag_and_nowhere_else(copy: Copy) -> None:
    copy.release(NEXT, "--no-image", "--unsigned")
    changelog = (copy.root / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {NEXT} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert "### Fixed\n" in changelog
    assert "- What was wrong is right.\n" in changelog
    assert "- - " not in changelog
    assert [path.name for path in (copy.root / "changelog.d").iterdir()] == ["README.md"]
    message = copy.git("tag", "--list", "--format=%(contents)", f"v{NEXT}")
    assert message.startswith(f"Causeway {NEXT}\n\n### ")
    assert "- What was wrong is right." in message
    (copy.root / "changelog.d/later.added.md").write_text("More.\n")
    copy.commit()
    copy.release("9.2.0", "--no-image", "--unsigned")
    message = copy.git("tag", "--list", "--format=%(contents)", "v9.2.0")
    assert message == "Causeway 9.2.0\n\n### Added\n\n- More."


def test_equal_commits_give_equal_files(copy: Copy) -> None:
    copy.release(NEXT, "--no-image", "--unsigned")
    sums = (copy.root / "dist/SHA256SUMS").read_text()
    copy.git("tag", "--delete", f"v{NEXT}")
    copy.release(NEXT, "--no-image", "--unsigned")
    assert (copy.root / "dist/SHA256SUMS").read_text() == sums


def test_a_dry_run_shows_everything_and_changes_nothing(copy: Copy, key: str) -> None:
    before = copy.state
    said = copy.release(NEXT, "--dry-run", key=key)
    for words in (
        "make lint",
        f"version {__version__} -> {NEXT}",
        "make image",
        "signed by SHA256:",
        f"tag v{NEXT}",
    ):
        assert words in said
    assert "- What was wrong is right." in said
    assert copy.state == before
    said = copy.release(NEXT, "--dry-run", good=False)
    assert "no key to sign with" in said
    assert "UNSIGNED" in copy.release(NEXT, "--dry-run", "--unsigned")


def untidy(copy: Copy) -> None:
    (copy.root / "README.md").write_text("changed")


def littered(copy: Copy) -> None:
    (copy.root / "new.py").write_text("")


def tagged(copy: Copy) -> None:
    copy.git("tag", f"v{NEXT}")


def overtaken(copy: Copy) -> None:
    copy.git("tag", "v9.10.0")


def without_news(copy: Copy) -> None:
    for path in (copy.root / "changelog.d").glob("*.*.md"):
        path.unlink()
    copy.commit()


def news_of_no_kind(copy: Copy) -> None:
    (copy.root / "changelog.d/x.novelty.md").write_text("What?\n")
    copy.commit()


def unclean(copy: Copy) -> None:
    (copy.root / "broken").write_text("")
    copy.commit()


def detached(copy: Copy) -> None:
    copy.git("switch", "--quiet", "--detach")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (untidy, "not committed: README.md"),
        (littered, "not committed: new.py"),
        (tagged, f"version {NEXT} is tagged already"),
        (overtaken, f"version {NEXT} is older than 9.10.0"),
        (without_news, "changelog.d is empty"),
        (news_of_no_kind, "novelty"),
        (unclean, "make lint failed"),
        (detached, "no branch is checked out"),
    ],
)
def test_what_is_not_fit_for_a_release_is_refused_and_left_as_it_was(
    copy: Copy, spoil: Callable[[Copy], None], words: str
) -> None:
    spoil(copy)
    before = copy.state
    assert words in copy.release(NEXT, "--no-image", "--unsigned", good=False)
    assert copy.state == before


@pytest.mark.parametrize(
    "version", ["1", "9.1", "v9.1.0", "9.01.0", "9.1.0-rc1", "9.1.0.dev1", "9.1.0\n", "0.0.1"]
)
def test_only_a_newer_version_of_one_form_is_released(copy: Copy, version: str) -> None:
    before = copy.state
    assert "version" in copy.release(version, "--no-image", "--unsigned", good=False)
    assert copy.state == before


def test_without_a_key_it_is_refused_unless_told_and_says_so_then(copy: Copy) -> None:
    before = copy.state
    assert "no key to sign with" in copy.release(NEXT, "--no-image", good=False)
    assert copy.state == before
    assert "UNSIGNED" in copy.release(NEXT, "--no-image", "--unsigned")
    assert not list((copy.root / "dist").glob("*.sig"))


KEYS = {
    "nothing there": (b"/nowhere/release.key", "cannot be read"),
    "no key": (b"-----BEGIN NONSENSE-----", "no private key"),
    "another kind": (
        private(serialization.PrivateFormat.PKCS8, ec.generate_private_key(ec.SECP256R1())),
        "no Ed25519",
    ),
}


@pytest.mark.parametrize("kind", KEYS)
def test_what_is_no_key_is_refused_before_anything_is_written(copy: Copy, kind: str) -> None:
    given, words = KEYS[kind]
    before = copy.state
    said = copy.release(NEXT, "--no-image", good=False, key=given.decode())
    assert words in said
    assert "Traceback" not in said
    assert copy.state == before


def test_the_key_may_be_text_in_openssh_form(copy: Copy) -> None:
    text = private(serialization.PrivateFormat.OpenSSH).decode()
    assert "signed by SHA256:" in copy.release(NEXT, "--no-image", key=text)


def test_the_key_may_be_with_an_agent(copy: Copy, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", secret], check=True)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL)
    try:
        where = str(tmp_path / "agent")
        while not (tmp_path / "agent").exists():
            assert agent.poll() is None
        subprocess.run(["ssh-add", "-q", secret], check=True, env={**os.environ, "SSH_AUTH_SOCK": where})
        secret.unlink()
        said = copy.release(NEXT, "--no-image", key=f"{secret}.pub", agent=where)
    finally:
        agent.kill()
        agent.wait()
    assert "signed by SHA256:" in said


def test_a_run_that_ended_after_the_commit_goes_on_from_there(copy: Copy, key: str) -> None:
    broken = MAKEFILE.replace("image:\n", "image:\n\t@test ! -e ../no-image\n")
    (copy.root / "Makefile").write_text(broken)
    copy.commit()
    (copy.root.parent / "no-image").write_text("")
    assert "make image failed" in copy.release(NEXT, good=False, key=key)
    (copy.root.parent / "no-image").unlink()
    commit = copy.git("rev-parse", "HEAD")
    assert copy.git("tag") == ""
    copy.release(NEXT, key=key)
    assert copy.git("rev-parse", f"v{NEXT}^{{commit}}") == commit


@pytest.mark.parametrize("same", [True, False])
def test_an_image_is_made_unless_that_of_the_commit_is_there(copy: Copy, same: bool) -> None:  # noqa: FBT001
    copy.release(NEXT, "--unsigned")
    disk = copy.root / f"dist/causeway-{NEXT}.qcow2"
    if not same:
        disk.write_text("another")
    copy.git("tag", "--delete", f"v{NEXT}")
    copy.release(NEXT, "--unsigned")
    assert (copy.root / "made-images").read_text().count("made") == (1 if same else 2)
    sums = (copy.root / "dist/SHA256SUMS").read_text()
    assert f"{hashlib.sha256(checkouts.DISK).hexdigest()}  {disk.name}" in sums


@pytest.mark.parametrize("name", ["causeway", "causeway-agent"])
def test_every_command_says_which_version_it_is(name: str) -> None:
    command = Path(sys.executable).with_name(name)
    said = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert said == f"{name} {__version__}\n"
