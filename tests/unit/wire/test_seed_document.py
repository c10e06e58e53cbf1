"""A seed's text: strict, versioned, bounded, without private keys."""

from __future__ import annotations

import json

import msgspec
import pytest

from causeway_wire import seed
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.seed import AuthorizedKey, Seed
from causeway_wire.types import Secret
from tests import seeds


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(ProblemError) as caught:
        seed.decode(data)
    problem = caught.value.problem
    return problem.type, problem.pointer or ""


def test_a_seed_says_the_same_after_its_journey() -> None:
    made = seeds.seed()
    assert seed.decode(seed.encode(made)) == made


def test_another_version_is_told_before_its_members_are_read() -> None:
    data = json.dumps({"version": 2, "what": "nobody knows yet"}).encode()
    assert refusal(data) == (ProblemType.UNSUPPORTED.urn, "/version")


def test_a_member_too_many_is_refused_by_name() -> None:
    data = seeds.spoilt(lambda it: it["management"].update(password="x"))
    assert refusal(data) == (ProblemType.INVALID.urn, "/management/password")


def test_what_is_cut_off_or_too_long_is_refused() -> None:
    whole = seed.encode(seeds.seed())
    assert refusal(whole[:-20])[0] == ProblemType.MALFORMED.urn
    assert refusal(whole + b" " * seed.MAX_OCTETS)[0] == ProblemType.TOO_LARGE.urn


def test_a_private_key_is_refused_wherever_it_stands() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    data = seeds.spoilt(lambda it: it.update(controller_ca=key))
    assert refusal(data)[0] == ProblemType.INVALID.urn
    with pytest.raises(ProblemError):
        seed.encode(msgspec.structs.replace(seeds.seed(), controller_ca=key))


@pytest.mark.parametrize(
    "line",
    [
        'command="sh" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq0',
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq0\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq1",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq0 me\n",
        "ssh-dss AAAAC3NzaC1lZDI1NTE5AAAAIGq0",
        "",
    ],
)
def test_an_authorized_key_is_one_line_without_options(line: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(line, AuthorizedKey)


def test_the_token_is_in_the_text_and_nowhere_else() -> None:
    made: Seed = seeds.seed()
    assert seeds.TOKEN.encode() in seed.encode(made)
    assert seeds.TOKEN not in repr(made)
    assert (
        seed.token_digest(Secret("a")) == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    )
