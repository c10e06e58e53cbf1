"""A file that is not exactly an update is refused, wherever it goes wrong, and little of it is ever held."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causeway_agent.slots import archive
from causeway_agent.slots.archive import Archive
from causeway_wire import update_file
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.update_file import Head
from tests.fakes.disk import FakeDisk, start
from tests.update_files import Made, make, of, receive


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("update"))


def refusal(content: bytes, made: Made) -> str:
    """Why this content is refused; afterwards slot a starts, and only it."""
    disk = FakeDisk()
    with pytest.raises(ProblemError) as caught:
        receive(disk, of(content, made.manifest))
    assert caught.value.problem.type == ProblemType.UPDATE_REFUSED.urn
    assert start(disk) == "a"
    assert "causeway/b/manifest.json" not in disk.files
    return caught.value.problem.detail


def refused_or_another_build(content: bytes, made: Made) -> bool:
    """Whether this content is refused, or lies in slot b under another name than the one it was made with."""
    disk = FakeDisk()
    try:
        status = receive(disk, of(content, made.manifest))
    except ProblemError:
        return "causeway/b/manifest.json" not in disk.files
    (other,) = (report for report in status.slots if report.slot is not status.running)
    return other.build not in {None, made.build}


def test_an_update_file_is_an_archive_that_others_can_read(made: Made) -> None:
    with tarfile.open(fileobj=io.BytesIO(made.content)) as whole:
        assert whole.getnames() == ["manifest.json", "linux", "initrd", "root.xz"]
        assert {(one.uid, one.gid, one.mode, one.mtime) for one in whole} == {(0, 0, 0o644, 1)}
        text = whole.extractfile("manifest.json")
        assert text is not None
        assert text.read() == made.manifest


def test_one_that_ends_early_is_refused_wherever_it_ends(made: Made) -> None:
    for end in range(1, len(made.content), 3989):
        assert refusal(made.content[:end], made)


@settings(max_examples=60, deadline=None)
@given(where=st.integers(min_value=0), difference=st.integers(1, 255))
def test_one_with_a_changed_octet_is_not_what_it_was(made: Made, where: int, difference: int) -> None:
    """Even when the digest announced is that of the changed file."""
    changed = bytearray(made.content)
    changed[where % len(changed)] ^= difference
    assert refused_or_another_build(bytes(changed), made)


def test_a_changed_octet_of_the_manifest_makes_it_another_build(made: Made) -> None:
    """Its texts may say anything, but activation names the build by its manifest's digest."""
    begins = made.content.index(made.manifest)
    for place in range(begins, begins + len(made.manifest), 11):
        changed = bytearray(made.content)
        changed[place] ^= 1
        assert refused_or_another_build(bytes(changed), made), place


def test_what_follows_is_refused(made: Made) -> None:
    assert "something follows" in refusal(made.content + bytes(512), made)


def test_parts_out_of_order_are_refused(made: Made) -> None:
    head = update_file.pack_head(Head("linux", 0), epoch=0)
    assert "should go on with manifest.json" in refusal(head + made.content, made)


def test_a_manifest_that_is_too_large_is_not_read(made: Made) -> None:
    head = update_file.pack_head(Head("manifest.json", 1 << 30), epoch=0)
    assert "more than" in refusal(head + made.content, made)


def test_links_and_directories_are_no_parts() -> None:
    block = bytearray(update_file.pack_head(Head("linux", 0), epoch=0))
    for kind in b"125xgL\0":
        block[156] = kind
        block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 256)
        with pytest.raises(update_file.NotAnUpdateError):
            update_file.unpack_head(bytes(block))


@given(st.binary(max_size=600))
def test_a_head_is_read_or_refused(block: bytes) -> None:
    with pytest.raises(update_file.NotAnUpdateError):
        update_file.unpack_head(block)


@given(st.from_regex(r"[a-z.]{1,60}", fullmatch=True), st.integers(0, 2**33 - 1))
def test_a_head_that_was_packed_is_unpacked(name: str, octets: int) -> None:
    head = Head(name, octets)
    assert update_file.unpack_head(update_file.pack_head(head, epoch=0)) == head


def test_unpacking_yields_small_pieces_however_small_it_was_packed() -> None:
    packed = lzma.compress(bytes(64 * archive.UNPACKED))
    pieces = [len(piece) for piece in archive.unpacked(iter([packed]), octets=64 * archive.UNPACKED)]
    assert max(pieces) <= archive.UNPACKED
    assert sum(pieces) == 64 * archive.UNPACKED


@pytest.mark.parametrize(("announced", "word"), [(9, "more than"), (11, "less than")])
def test_more_or_less_than_announced_is_refused(announced: int, word: str) -> None:
    with pytest.raises(ProblemError, match=word):
        list(archive.unpacked(iter([lzma.compress(b"ten octets")]), octets=announced))


def test_what_needs_more_memory_than_promised_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 256 << 20}]
    packed = lzma.compress(b"x", filters=filters)
    with pytest.raises(ProblemError, match="cannot be unpacked"):
        list(archive.unpacked(iter([packed]), octets=1))


def test_a_file_is_read_as_it_is_asked_for(made: Made, tmp_path: Path) -> None:
    asked: list[int] = []

    def read(octets: int) -> bytes:
        asked.append(octets)
        return content.read(min(octets, 1000))

    content = io.BytesIO(made.content)
    whole = Archive(read, octets=len(made.content))
    for _ in range(4):
        for _piece in pieces(whole, whole.head()):
            pass
    whole.end(made.sha256)
    assert max(asked) <= archive.CHUNK


def pieces(whole: Archive, head: Head) -> Iterator[bytes]:
    yield from whole.content(head)
