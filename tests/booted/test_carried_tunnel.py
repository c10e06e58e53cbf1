"""A tunnel that the kernel carries, between two real agents in namespaces of the booted flavour `offload`.

No kernel but that image's has the module, so that what the kernel tests do in namespaces of this machine is
done in namespaces of that one, with this checkout's agent. One boot answers all questions.
"""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from typing import Any

import pytest

from image import boot
from image.flavour import OFFLOAD
from image.workshop import ROOT
from tests.booted.carried_lines import OCTETS, PAUSE
from tests.booted.carried_site import Site

SECONDS = 2400.0
"""Until the machine is up, where processors are emulated and busy."""
pytestmark = [pytest.mark.booted, pytest.mark.timeout(3 * SECONDS)]
RESTARTS = 5
LAN = 1500
DEEP = 90
"""By how many a packet is overtaken on lines over several paths."""
QUESTIONS = (
    *("rights", "sizes", "forged", "replayed", "rekeyed"),
    *("stolen", "revoked", "renewed", "lines"),
    *("restarts", "vanished", "leftovers", "declined"),
)
"""In this order: the last one takes the module away."""
SOURCES = ("agent/src/causeway_agent", "wire/src/causeway_wire")
CARRIED = ("agent", "credentials", "guest", "healing", "lines", "packets", "questions", "watch")
PARTS = (
    "benchmarks/__init__.py",
    "benchmarks/offload_world.py",
    *(f"tests/booted/carried_{part}.py" for part in CARRIED),
)
SHORT = 5.0
"""Seconds without an answer that are nothing where processors are emulated and busy."""
NET_ADMIN = 1 << 12
"""CAP_NET_ADMIN, linux/capability.h."""
Results = list[dict[str, Any]]


def packed(given: dict[str, Any]) -> bytes:
    """What runs in the machine as one archive: this checkout's agent, the guest's part, what is asked."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as whole:
        for source in SOURCES:
            for path in sorted((ROOT / source).rglob("*.py")):
                whole.writestr(str(path.relative_to((ROOT / source).parent)), path.read_bytes())
        for name in PARTS:
            whole.writestr(name, (ROOT / name).read_bytes())
        for package in ("tests/__init__.py", "tests/booted/__init__.py"):
            whole.writestr(package, "")
        call = f"carried_questions.main(json.loads({json.dumps(given)!r}))"
        start = f"import json\nfrom tests.booted import carried_questions\n{call}\n"
        whole.writestr("start.py", start)
    return archive.getvalue()


def ask(login: tuple[str, ...], given: dict[str, Any]) -> Results:
    """Run the guest's part; its results."""
    unpack = "import sys, io, zipfile; zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).extractall('.')"
    place = "rm -rf /run/carried && mkdir -m 755 -p /run/carried/source && cd /run/carried/source"
    command = f'{place} && python3 -c "{unpack}" && exec python3 -u start.py'
    done = subprocess.run([*login, command], input=packed(given), capture_output=True, check=False)
    told = done.stdout.decode()
    assert done.returncode == 0, f"{told[-9000:]}\n{done.stderr.decode()[-9000:]}"
    lines = [line.removeprefix("RESULT ") for line in told.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line) for line in lines]


def results_of(what: str, results: Results) -> Results:
    return [one for one in results if one["what"] == what]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the machine answered to all questions; `--basetemp` keeps it, as times are for people to judge."""
    found = sorted(OFFLOAD.dist(ROOT).glob("causeway-*.qcow2"))
    if not found:
        pytest.skip("there is no image of this flavour: make image FLAVOUR=offload")
    machine = boot.Machine(acceleration=boot.choose("auto"), seconds=SECONDS, firmware="bios")
    with boot.booted(found[-1], machine) as up:
        answers = ask(up.login, {**Site().given(), "questions": QUESTIONS, "restarts": RESTARTS})
    (tmp_path_factory.mktemp("carried") / "answers.json").write_text(json.dumps(answers, indent=2))
    return answers


def about(what: str, results: Results, *, question: str | None = None) -> Results:
    """Results of this kind; the question that they answer was asked to its end."""
    assert not [one["why"] for one in results_of("failed", results) if one["question"] == (question or what)]
    return results_of(what, results)


def test_a_machine_fails_over_and_the_kernel_carries_its_packets_at_both_ends(results: Results) -> None:
    assert [one["state"] for one in results_of("change", results)] == ["done", "done"]
    assert all(one["passed"] is not None for one in results_of("passes", results))
    ends = about("carried", results, question="rights")
    assert ends
    for end in ends:
        assert (end["carrier"], end["why_not"], end["transport"]) == ("kernel", None, "udp")
        assert end["devices"]
        assert end["user"] != 0
        assert set(end["rights"].values()) == {NET_ADMIN}
    (isolated,) = results_of("isolated", results)
    assert (isolated["control"], isolated["other"]) == (True, False)


def test_a_paths_size_is_found_out_and_tcp_is_told_it_both_ways(results: Results) -> None:
    paths = about("path", results, question="sizes")
    assert len(paths) == 2
    for path in paths:
        assert path["line_sends"] == path["line_receives"] == LAN
    told = results_of("segments", results)
    assert len(told) == 2 * 2
    for one in told:
        headers = 40 if one["version"] == 4 else 60
        # Who asks tells it with the question, who answers with the answer: both come smaller.
        for sent, came in (("question_near", "question_far"), ("answer_far", "answer_near")):
            assert one[sent] == [LAN - headers]
            assert one[came] == [paths[0]["sends"] - headers]


def test_nothing_passes_as_somebody_else_or_to_who_is_not_failed_over(results: Results) -> None:
    answers = about("forged", results)
    assert {(one["of"], one["version"]) for one in answers} == {
        (end, version) for end in ("source", "destination") for version in (4, 6)
    }
    for one in answers:
        assert (one["control"], one["forged"]) == (True, 0)


def test_a_tunnel_ends_when_its_certificate_is_revoked_and_comes_back_with_it(results: Results) -> None:
    (answer,) = about("revoked", results)
    assert answer["control"]
    assert answer["last"] <= answer["applied"] + 1.0
    assert answer["passed"] is None
    assert "is revoked" in answer["why"]
    assert answer["back"] is not None


def test_a_copy_of_the_tunnels_packets_is_worth_nothing(results: Results) -> None:
    answers = about("replayed", results)
    assert {one["end"] for one in answers} == {"sapp", "tapp"}
    for one in answers:
        # None came while they were kept away, each one late: so it was this end's own memory afterwards.
        assert (one["withheld"], one["control"], one["again"], one["honest"]) == (0, 20, 0, True)


def test_new_keys_of_a_session_cost_no_packet_to_speak_of_and_no_restart(results: Results) -> None:
    (answer,) = about("rekeyed", results)
    assert answer["control"] > 0
    assert answer["silent"] < SHORT
    assert answer["restarts"] == [0, 0]


def test_nobody_comes_in_by_another_name_or_with_another_providers_key(results: Results) -> None:
    refused = {one["of"]: one for one in about("stolen", results)}
    assert refused.keys() == {"stranger", "foreign"}
    for one in refused.values():
        assert (one["passed"], one["state"]) == (None, "connecting")
    assert "must be acme-web.client" in refused["stranger"]["why"]
    assert refused["foreign"]["why"] == "wrong key"
    (own,) = results_of("own", results)
    assert own["passed"] is not None


def test_both_ends_take_new_certificates(results: Results) -> None:
    answers = about("renewed", results)
    assert [one["end"] for one in answers] == ["sapp", "tapp"]
    assert all(one["passed"] is not None and one["again"] is not None for one in answers)
    ends = results_of("with new certificates", results)
    assert [one["carrier"] for one in ends] == ["kernel", "kernel"]


def test_a_bad_line_takes_what_it_takes_and_the_tunnel_no_more(results: Results) -> None:
    lines = {one["of"]: one for one in about("line", results, question="lines")}
    assert lines.keys() == {"clear", "loss", "reordered", "paused", "narrow", "rebound"}
    for name, one in lines.items():
        assert one["passed"] is not None
        assert (name, one["restarts"]) == (name, [0, 0])
        assert one["carried"] == [["kernel", "udp"]] * 2
    for name in ("clear", "loss", "reordered", "paused"):
        one = lines[name]
        assert all(lost <= taken for lost, taken in zip(one["lost"], one["taken"], strict=True)), (name, one)
    # Each line was what it is called.
    assert min(lines["loss"]["taken"]) > 0
    assert min(lines["reordered"]["deepest"]) >= DEEP
    assert min(lines["paused"]["longest"]) >= PAUSE
    assert lines["narrow"]["octets"] == [OCTETS] * 2
    assert lines["narrow"]["fragments"] > 0
    assert all(lines["rebound"]["ports"])


def test_packets_pass_again_after_each_end_of_a_process(results: Results) -> None:
    restarts = about("restart", results, question="restarts")
    assert len(restarts) == 2 * 2 * RESTARTS
    assert all(one["passed"] is not None for one in restarts)


def test_a_device_that_is_taken_away_comes_back_and_the_kernel_carries_again(results: Results) -> None:
    ends = about("vanished", results)
    assert [one["end"] for one in ends] == ["tapp", "sapp"]
    for one in ends:
        assert one["passed"] is not None
        assert one["again"] is not None
    # It was the device of this process: that did not live on without.
    assert [one["same"] for one in results_of("vanished from", results)] == [False, False]


def test_a_device_that_nobody_knows_of_is_in_nobodys_way(results: Results) -> None:
    ends = about("leftover", results, question="leftovers")
    assert [one["end"] for one in ends] == ["tapp", "sapp"]
    for one in ends:
        assert one["left"]
        assert one["passed"] is not None
        assert one["again"] is not None


def test_without_the_module_openvpn_carries_the_packets_by_itself(results: Results) -> None:
    assert about("declined", results)
    ends = results_of("instead", results)
    assert [end["end"] for end in ends] == ["tapp", "sapp"]
    for end in ends:
        assert (end["carrier"], end["transport"]) == ("process", "udp")
        assert "isabling data channel offload" in end["why_not"]
        assert not end["devices"]
    (anew,) = results_of("anew", results)
    assert (anew["same"], anew["carrier"]) == (False, "process")
