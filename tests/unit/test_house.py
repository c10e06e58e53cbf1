"""The rules of the house that no linter knows: sizes, places, links, and imports without effects."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {name: ROOT / name / "src" / f"causeway_{name}" for name in ("wire", "agent", "controller", "lab")}
MAX_LINES = 400
MADE = {"__pycache__", "dist", "build", "out"}
CODE_PLACES = (
    "wire",
    "agent",
    "controller",
    "lab",
    "image",
    "release",
    "tests",
    "benchmarks",
    "scripts",
    ".ci",
)
LICENCES = {"LICENSE", "LICENSE.GPL-2.0"}

URL = re.compile(r"https?://([A-Za-z0-9.-]+)")
URL_HOSTS = {
    "json-schema.org",
    "schemas.dmtf.org",
    "schemas.microsoft.com",
    "schemas.xmlsoap.org",
    "www.apache.org",
    "www.vmware.com",
    "www.w3.org",
}
"""Hosts that texts may name: those of standards and XML namespaces, no place to fetch things from."""

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
PLACES = re.compile(rf"(?<![\w.*}}-])({re.escape(str(ROOT))}/|/home/|/Users/)")
"""Where somebody's checkout may be; a checkout at /src must not take wire/src for one."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
NAMED_PATH = re.compile(r"`((?:agent|wire|controller|lab|docs|scripts|tests|benchmarks)/[\w./*-]+)`")


def files(*suffixes: str, below: tuple[str, ...] = (".",)) -> Iterator[Path]:
    """Files of the checkout with one of these suffixes (all without), caches and made things left out."""
    for place in below:
        for path in sorted((ROOT / place).rglob("*")):
            parts = path.relative_to(ROOT).parts
            hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
            if hidden or MADE.intersection(parts) or any(part.endswith(".egg-info") for part in parts):
                continue
            if path.is_file() and not path.is_symlink() and (not suffixes or path.suffix in suffixes):
                yield path


def relative(paths: Iterator[Path]) -> list[str]:
    """Paths as pytest ids."""
    return [str(path.relative_to(ROOT)) for path in paths]


def modules() -> Iterator[str]:
    """Dotted names of everything importable."""
    for source in SOURCES.values():
        for path in files(".py", below=(str(source.relative_to(ROOT)),)):
            name = ".".join(path.relative_to(source.parent).with_suffix("").parts)
            yield name.removesuffix(".__init__")


def test_the_search_finds_the_house() -> None:
    found = relative(files())
    assert {"Makefile", "README.md", ".ci/run", "tests/unit/test_house.py"} <= set(found)
    assert not [name for name in found if name.startswith((".venv", ".git/"))]


def test_files_stay_short() -> None:
    lines = {
        name: (ROOT / name).read_text().count("\n") for name in relative(files(".py", "", below=CODE_PLACES))
    }
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_unit_tests_stand_where_their_subject_stands() -> None:
    """The folder mirrors a package, and the test imports from that package."""
    misplaced = []
    for path in files(".py", below=tuple(f"tests/unit/{name}" for name in SOURCES)):
        room, *folders, file = path.relative_to(ROOT / "tests/unit").parts
        package = ".".join((f"causeway_{room}", *folders))
        there = SOURCES[room].joinpath(*folders).is_dir()
        if file.startswith("test_") and not (there and f"from {package}" in path.read_text()):
            misplaced.append(str(path.relative_to(ROOT)))
    assert misplaced == []


@pytest.mark.timeout(120)  # everything is imported anew, the engine of runs with it
def test_importing_has_no_effect() -> None:
    names = [name for name in modules() if not name.endswith("__main__")]
    assert len(names) > 20
    finished = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT, *names],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (finished.stdout, finished.stderr, finished.returncode) == ("", "", 0)


WATCHED_IMPORT = """
import importlib, sys, threading
sys.dont_write_bytecode = True
effects = []
TOUCHING = ("socket.bind", "socket.connect", "subprocess.Popen", "os.system", "os.fork", "os.mkdir",
            "os.remove", "os.rename", "os.putenv")

def watch(event, details):
    writing = event == "open" and isinstance(details[1], str) and set(details[1]) & set("wax+")
    if writing or event.startswith(TOUCHING):
        effects.append((event, details))

for name in ("aiohttp", "h11", "cryptography.x509", "dbos", "prometheus_client", "structlog",
             "typer.testing"):
    importlib.import_module(name)
before = threading.active_count()
sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
    if effects or threading.active_count() != before:
        sys.exit(f"{name}: {effects or 'starts a thread'}")
"""


def test_an_effect_of_an_import_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "rude.py").write_text("open('trace', 'w').close()\n")
    finished = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT, "rude"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    assert "rude: [('open'" in finished.stderr


def test_the_readme_shows_both_commands_and_the_makefile_has_them() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for command in ("demo", "test"):
        assert f"\n    make {command}\n" in readme
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("name", relative(files(".md")))
def test_links_and_named_files_exist(name: str) -> None:
    page = ROOT / name
    text = page.read_text()
    broken = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    missing = [path for path in NAMED_PATH.findall(text) if not list(ROOT.glob(path.rstrip("/")))]
    assert (broken, missing) == ([], [])


def test_every_page_is_found_from_the_index() -> None:
    docs = ROOT / "docs"
    listed = set(LINK.findall((docs / "README.md").read_text()))
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")}
    decisions = {page for page in pages if page.startswith("adr/") and page != "adr/README.md"}
    assert pages - decisions - {"README.md"} <= listed
    index = set(LINK.findall((docs / "adr/README.md").read_text()))
    assert {page.removeprefix("adr/") for page in decisions} <= index


def test_texts_speak_of_the_project_alone() -> None:
    """No unfinished marks, no address of some server, no path of somebody's machine."""
    found = []
    for path in files():
        if path.name in LICENCES or path == Path(__file__).resolve():
            continue
        text = path.read_text()
        foreign = {host for host in URL.findall(text) if not host_allowed(host)}
        marks = {match[1] for match in UNFINISHED.finditer(text)}
        places = set(PLACES.findall(text))
        if foreign | marks | places:
            found.append((str(path.relative_to(ROOT)), foreign | marks | places))
    assert found == []


def host_allowed(host: str) -> bool:
    """Standards' hosts, names without a domain, and what is reserved for examples (RFC 2606, RFC 5737)."""
    reserved = host.endswith(("example", "example.com", "example.org", ".invalid", ".test"))
    documentation = host.startswith(("127.", "192.0.2.", "198.51.100.", "203.0.113.", "192.168.", "10."))
    return host in URL_HOSTS or "." not in host or reserved or documentation


def test_foreign_hosts_are_told_from_standards() -> None:
    assert host_allowed("json-schema.org")
    assert host_allowed("gateway.example")
    assert not host_allowed("files.somewhere.org")
