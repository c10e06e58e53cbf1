"""The gate's verdict, and what becomes of a build that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image import builder, gate, subject
from image.workshop import BuildError, Inputs, Workshop

INPUTS = Inputs(commit="c" * 40, epoch=1, version="1.2.3", modified=False)
REPORT = '<testsuites><testsuite tests="9" failures="{failures}" errors="1" skipped="2"/></testsuites>'


def shop(place: Path) -> Workshop:
    made = Workshop(inputs=INPUTS, build=place / "build", dist=place / "dist")
    made.dist.mkdir()
    (made.dist / "causeway-1.2.2.ova").write_text("the last good one")
    return made


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that take no time: one file is the image."""

    def make_files(made: Workshop) -> None:
        for kind in ("ova", "qcow2"):
            (made.dist / f"causeway-1.2.3.{kind}").write_text("new")

    monkeypatch.setattr(builder, "make_tree", lambda _: None)
    monkeypatch.setattr(builder, "make_disk", lambda _: None)
    monkeypatch.setattr(builder, "make_files", make_files)


def names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


@pytest.mark.usefixtures("_quick")
def test_what_the_gate_refuses_never_reaches_dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_shop: Workshop, disk: Path) -> None:
        assert disk.read_text() == "new"
        raise BuildError("it does not boot")

    monkeypatch.setattr(gate, "judge", refuse)
    made = shop(tmp_path)
    with pytest.raises(BuildError):
        builder.build(made)
    assert names(made.dist) == {"causeway-1.2.2.ova"}


@pytest.mark.usefixtures("_quick")
def test_what_passes_the_gate_replaces_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []
    monkeypatch.setattr(gate, "judge", lambda _, disk: judged.append(disk.name))
    made = shop(tmp_path)
    builder.build(made)
    assert judged == ["causeway-1.2.3.qcow2"]
    assert names(made.dist) == {"causeway-1.2.3.ova", "causeway-1.2.3.qcow2"}


@pytest.mark.usefixtures("_quick")
def test_a_build_without_the_gate_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder.build_ungated(shop(tmp_path))
    assert "not gated: nobody has booted this image" in capsys.readouterr().out


def test_there_is_nothing_to_judge_before_there_is_an_image(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="make image"):
        builder.judge(shop(tmp_path))


def test_a_report_is_counted_and_none_counts_for_nothing(tmp_path: Path) -> None:
    report = tmp_path / "tests.xml"
    assert gate.counts(report) == gate.Verdict(passed=0, failed=0, skipped=0)
    report.write_text(REPORT.format(failures=3))
    assert gate.counts(report) == gate.Verdict(passed=3, failed=4, skipped=2)


@pytest.mark.parametrize(
    ("said", "directory"),
    [("Packer v1.6.6", False), ("Packer v1.7.0\n", True), ("Packer v1.11.2", True), ("Packer v2.0.0", True)],
)
def test_a_packer_with_plugins_is_given_the_plugins_file(said: str, *, directory: bool) -> None:
    assert gate.template(said).is_dir() is directory


def test_something_else_of_that_name_is_no_packer() -> None:
    with pytest.raises(ValueError, match="no version"):
        gate.template("cracklib-packer: nothing to do")


def test_a_subject_is_found_again_and_its_seed_names_its_key(tmp_path: Path) -> None:
    made = subject.make(directory=tmp_path, disk=tmp_path / "disk.qcow2")
    assert subject.load(tmp_path / subject.RECORD) == made
    assert made.format == "qcow2"
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummy gate"
    seed = json.loads(subject.seed_of(made, f"{key}\n"))
    assert seed["ssh_authorized_keys"] == [key]
    assert seed["enrolment"]["token"] == made.token
    assert len({made.api_port, made.trunk_host_port, made.trunk_machine_port}) == 3
