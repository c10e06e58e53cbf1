"""What hosts of several kinds call alike."""

from __future__ import annotations

import pytest

from causeway_controller.inventory import host_names


def test_a_login_is_two_lines_and_is_never_repeated() -> None:
    assert host_names.login("me@vsphere.local\r\np w\r\n") == ("me@vsphere.local", "p w")
    for text in ("hunter2", "hunter2\n", "\nhunter2", "me\nhunter2\nmore\n"):
        with pytest.raises(ValueError, match="two lines") as refused:
            host_names.login(text)
        assert "hunter2" not in str(refused.value)
