"""What hosts of several kinds call alike."""

from __future__ import annotations

import pytest

from causeway_controller.inventory import host_names, vsphere_names


def test_a_login_is_two_lines_and_is_never_repeated() -> None:
    assert host_names.login("me@vsphere.local\r\np w\r\n") == ("me@vsphere.local", "p w")
    for text in ("hunter2", "hunter2\n", "\nhunter2", "me\nhunter2\nmore\n"):
        with pytest.raises(ValueError, match="two lines") as refused:
            host_names.login(text)
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("esx://root@esx1.example/?no_verify=1", "is no endpoint of vSphere; say https://esx1.example/sdk"),
        ("http://vc.example:8080/sdk", "say https://vc.example/sdk"),
        ("https://vc.example/ui", "say https://HOST/sdk"),
        ("https:///sdk", "names no host"),
        ("qemu+tls://kvm1.example/system", "say kind: libvirt"),
        ("https://[2001:db8::1/sdk", "no address in its brackets; say https://HOST/sdk"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_what_to_say_instead(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="say ") as raised:
        vsphere_names.endpoint(text)
    assert said in str(raised.value)
