"""How the first program finds its partition, by a shell that stands in for klibc's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from image.workshop import ROOT

INIT = ROOT / "image/elements/causeway-kernel/static/usr/share/causeway/initramfs/init"


@pytest.mark.parametrize(
    ("there", "said"),
    [({}, ""), ({"sda": ""}, ""), ({"sda": "", "sda2": "root-a", "sda3": "root-b"}, "/dev/sda3\n")],
)
def test_a_partition_is_found_by_its_name_and_no_disk_at_all_ends_nothing(
    tmp_path: Path, there: dict[str, str], said: str
) -> None:
    for device, name in there.items():
        (tmp_path / device).mkdir()
        text = f"MAJOR=8\nDEVNAME={device}\n" + (f"PARTNAME={name}\n" if name else "")
        (tmp_path / device / "uevent").write_text(text)
    _, _, rest = INIT.read_text().partition("\npartition() {\n")
    body = rest.partition("\n}\n")[0].replace("/sys/class/block", str(tmp_path))
    script = f'partition() {{\n{body}\n}}\nfound=$(partition root-b)\n[ -z "$found" ] || echo "$found"\n'
    done = subprocess.run(
        ["sh", "-eu", "-c", script], capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
