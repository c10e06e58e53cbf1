"""Who has revoked something is told what happens by itself and what is left to do."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from causeway_controller.inventory import certificates, revoking
from causeway_controller.inventory.certificates import Subject
from causeway_controller.inventory.health import Deployed
from tests.certificates import issued

DEPLOYED = Deployed(id="acme-esx1", tenant="acme", host="esx1", address=ip_address("192.0.2.1"), port=8443)


@pytest.mark.parametrize(
    ("subject", "word"),
    [
        (certificates.of_agent("acme-esx1"), "causeway appliance redeploy acme esx1"),
        (certificates.of_controller("ctl1"), "Controller ctl1 makes itself another key"),
        (certificates.of_gateway("edge1", "gateway.example"), "Gateway edge1 gets another key"),
        (certificates.of_server("acme", "t1", "s"), "The provider's appliance gets another key"),
        (certificates.of_client("acme", "t1", "c"), "The controller of acme is told"),
        (certificates.of_member("acme"), "causeway tenant invite acme"),
    ],
)
def test_the_last_one_of_its_bearer_is_followed_by_another(subject: Subject, word: str) -> None:
    def told(newest: int) -> tuple[str, ...]:
        return revoking.consequences(
            [issued(6, subject), issued(7, subject)],
            newest={subject.slot: newest},
            deployed={DEPLOYED.id: DEPLOYED},
        )

    refused, following = told(7)
    assert word in following
    assert told(8) == (refused,), "one that was replaced already leaves nothing to do"
