"""A published service is asked by clients that are made up, next door to the uplink of a full failover."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests import documents, full_site
from tests.knocks import knocking
from tests.neighbour_wire import SHARE, neighbours
from tests.wired import BOX, UPLINK, counted

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def full() -> Iterator[None]:
    with full_site.standing():
        full_site.apply(full_site.document(documents.full("net-0")))
        full_site.publish(full_site.PUBLIC6, 80, full_site.VM6, 80)
        yield


def test_clients_that_are_made_up_next_to_the_uplink_leave_room_for_others() -> None:
    """The replica answers them, and the appliance would look for each."""
    with counted("drop_scan"), knocking(UPLINK, "2001:db8:9::", full_site.PUBLIC6, 80):
        time.sleep(1.5)
        assert neighbours(BOX, 6) < SHARE
        assert full_site.asks(UPLINK, full_site.INTERNET6, full_site.PUBLIC6, 80) == full_site.INTERNET6
