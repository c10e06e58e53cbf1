"""Documents that cost: what an appliance spends on one, per octet of it, as the document grows.

Every list of a document that can be meant is made longer, alone and together with others, with entries that
are distinct, equal, or wrong. The cost is processor time of everything that is done for `POST /v1/plan`:
decode, compile, diff, guard, words, and the packet filter's text. A cost that grows faster than the document
is what somebody who may only observe could stop an appliance with.

    python -m tests.expensive_documents [--seconds 60] [--seed 1]
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import ipaddress
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import compiler
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model.target import Observation
from causeway_agent.plan.steer import coverage, describe, diff, guard
from causeway_wire import codec
from causeway_wire.desired import Desired, Failover, Idle, Partial
from causeway_wire.problem import ProblemError, combine
from tests import documents

Document = dict[str, Any]
Path = tuple[str | int, ...]
SMALL, LARGE = 20_000, 160_000
"""Octets of the two documents that are compared."""
FACTOR: Final = 3.0
"""How many times as much an octet of the large one may cost. A cost in the square of the size has 8."""
FLOOR: Final = 0.15
"""Seconds that a large document may cost in any case: below, fixed costs and noise decide."""
_LONGEST = {
    **dict.fromkeys(("inner", "prefixes", "gateways"), 8),
    **dict.fromkeys(("addresses", "macs", "nics"), 32),
    **dict.fromkeys(("sources", "denied", "public_addresses", "test_addresses"), 256),
    **dict.fromkeys(("networks", "routed", "vlans"), 126),
    "replicas": 2000,
    "hosts": 4000,
    "remotes": 16,
}
"""Lists that the schema keeps short, and how many entries they keep here."""
_REFERENCES = ("network", "nic", "trunk", "tenant", "mode", "kind", "extension", "uplink")
TOGETHER: tuple[tuple[Path, ...], ...] = (
    (("vlans",), ("role", "networks")),
    (("vlans",), ("role", "networks"), ("role", "failover", "replicas")),
    (("vlans",), ("role", "networks"), ("role", "failover", "networks"), ("role", "failover", "routed")),
    (("role", "failover", "replicas"), ("role", "networks", 1, "hosts")),
    (("role", "tunnels"), ("role", "tenants")),
    (
        ("role", "public_addresses"),
        ("role", "test_addresses"),
        ("role", "denied"),
        ("vlans",),
        ("role", "networks"),
    ),
)
"""Lists whose entries refer to each other."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a document cost, in seconds of processor time."""

    name: str
    octets: int
    seconds: float

    @property
    def per_octet(self) -> float:
        """Microseconds."""
        return 1e6 * self.seconds / self.octets


@dataclasses.dataclass(frozen=True, slots=True)
class Growth:
    """The same document, small and large."""

    small: Cost
    large: Cost

    @property
    def factor(self) -> float:
        """How many times as much an octet of the large one costs."""
        return self.large.per_octet / self.small.per_octet

    @property
    def superlinear(self) -> bool:
        """Whether the cost clearly outgrows the document."""
        return self.large.seconds > FLOOR and self.factor > FACTOR


def judge(text: bytes) -> None:
    """Do with this text what is done for `POST /v1/plan`, without the machine."""
    try:
        desired = codec.decode(text, Desired)
        codec.refuse_repeated(text)
        macs = {nic.mac: nic.name for nic in desired.nics}
        facts = dataclasses.replace(documents.FACTS, devices=macs)
        target = compiler.compile_document(desired, facts)
    except ProblemError as error:
        codec.encode(error.problem)
        return
    except CompileError as error:
        codec.encode(combine(error.problems, more=error.more))
        return
    plan = diff.diff(Observation(), target, None)
    guard.guard(plan, target, Observation())
    for operation in plan.operations:
        describe.describe(operation)
    ruleset.render(target.policy & target.policy)
    coverage.coverage(desired, frozenset())


def measure(name: str, document: Document) -> Cost:
    """What it costs now."""
    text = json.dumps(document).encode()
    started = time.process_time()
    judge(text)
    return Cost(name, len(text), time.process_time() - started)


def calls(document: Document) -> int:
    """How many functions are called for it: a cost that is the same on every machine."""
    text, counted = json.dumps(document).encode(), 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        judge(text)
    finally:
        sys.setprofile(before)
    return counted


def lists(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where the document has lists with something in them."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from lists(each, (*path, key))
    elif isinstance(value, list):
        if value:
            yield path
        for index, each in enumerate(value):
            yield from lists(each, (*path, index))


def renamed(value: Any, number: int) -> Any:
    """The value as another one of its kind: another name, another address, and so what it refers to."""
    return _fresh(value, number, kept=("mode", "kind", "extension"))


def fresh(value: Any, number: int) -> Any:
    """The same, but what it refers to stays."""
    return _fresh(value, number, kept=_REFERENCES)


def _fresh(value: Any, number: int, *, kept: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: each if key in kept else _fresh(each, number, kept=kept) for key, each in value.items()}
    if isinstance(value, list):
        return [_fresh(each, number, kept=kept) for each in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if value in _SETTINGS else value + 2 * number
    return value if "\n" in value else _fresh_text(value, number)


def _fresh_text(value: str, number: int) -> str:
    address, slash, length = value.partition("/")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return _fresh_mac(value, number) if value.count(":") == 5 else f"{value}-{number}"[-60:].strip("-")
    step = 1 << (parsed.max_prefixlen - int(length)) if slash else 1
    moved = (int(parsed) + number * step) % (1 << parsed.max_prefixlen)
    return f"{type(parsed)(moved)}{slash}{length}"


def _fresh_mac(value: str, number: int) -> str:
    octets = (int(value.replace(":", ""), 16) + number) % (1 << 48)
    return ":".join(f"{octets:012x}"[i : i + 2] for i in range(0, 12, 2))


_SETTINGS = (1500, 6180)
"""Numbers that name nothing: MTUs and the gateways' port."""
Filling = Callable[[Any, int], Any]
FILLINGS: dict[str, Filling] = {
    "distinct": fresh,
    "renamed": renamed,
    "equal": lambda value, _number: value,
    "close": lambda value, number: fresh(value, number % 7),
}


def grown(document: Document, paths: tuple[Path, ...], filling: str, octets: int) -> Document:
    """The document with these lists made longer until it has about so many octets."""
    made = copy.deepcopy(document)
    shares = max(1, (octets - len(json.dumps(document))) // len(paths))
    for path in paths:
        place: Any = made
        for step in path:
            place = place[step]
        model = place[-1]
        limit = next((most for name, most in _LONGEST.items() if path[-1] == name), octets)
        many = min(limit - len(place), shares // (len(json.dumps(model)) + 2))
        place.extend(FILLINGS[filling](model, number) for number in range(1, many + 1))
    return made


def models() -> dict[str, Document]:
    """A document of each role and mode that can be meant."""
    vms = tuple(
        documents.replica(20 + i, f"net-{n}", f"192.168.{n}.{20 + i}", f"2001:db8:{n}::{20 + i:x}")
        for n in range(2)
        for i in range(2)
    )
    mine = tuple(vm for vm in vms if vm.network == "net-0")
    modes: dict[str, Failover] = {
        "idle": Idle(),
        "partial": Partial(replicas=vms),
        "full": documents.full("net-0", "net-1", routed=("net-0", "net-1")),
        "rehearsal": documents.rehearsal("net-0", "net-1", routed=("net-0", "net-1")),
    }
    made = {
        f"provider {name}": documents.provider(mode, denied=("10.0.0.0/8",)) for name, mode in modes.items()
    }
    made["provider bridged"] = documents.bridged(made["provider partial"])
    made["provider trunked"] = documents.trunked(made["provider partial"])
    made["tenant partial"] = documents.tenant(Partial(replicas=mine))
    made["tenant bridged"] = documents.bridged(made["tenant partial"])
    made["gateway"] = documents.gateway(documents.gateway_tunnel(0), documents.gateway_tunnel(1))
    found = {name: json.loads(_widened(codec.encode(each).decode())) for name, each in made.items()}
    for each in found.values():
        for network in each["role"].get("networks", ()):
            if isinstance(network, dict) and "prefixes" in network:
                network["hosts"] = [network["prefixes"][0].replace(".0/17", ".77")]
    return found


def _widened(text: str) -> str:
    """Networks that have room for thousands of VMs."""
    text = text.replace("192.168.0.0/24", "192.168.0.0/17").replace("192.168.1.0/24", "192.168.128.0/17")
    return text.replace("192.168.1.", "192.168.129.")


def search(seconds: float, *, seed: int) -> Iterator[Growth]:
    """Growths for so many seconds: what refers to each other, every list alone, then lists drawn together."""
    draw, until = random.Random(seed), time.monotonic() + seconds  # noqa: S311 - a search
    whole = models()
    alone = [(name, (path,)) for name, each in whole.items() for path in lists(each)]
    together = [(name, paths) for name, each in whole.items() for paths in TOGETHER if has(each, paths)]
    draw.shuffle(alone)
    for name, paths in itertools.chain(together, alone, _drawn(draw, whole)):
        for filling in FILLINGS:
            if time.monotonic() > until:
                return
            yield growth(name, whole[name], paths, filling)


def has(document: Document, paths: tuple[Path, ...]) -> bool:
    """Whether the document has these lists."""
    return set(paths) <= set(lists(document))


def _drawn(draw: random.Random, whole: dict[str, Document]) -> Iterator[tuple[str, tuple[Path, ...]]]:
    while True:
        name = draw.choice(list(whole))
        places = list(lists(whole[name]))
        yield name, tuple(draw.sample(places, min(len(places), draw.randint(2, 4))))


def growth(name: str, whole: Document, paths: tuple[Path, ...], filling: str) -> Growth:
    """The cost of the document small and large; measured again before it is called superlinear."""
    title = f"{name}, {filling}: {' + '.join('/'.join(map(str, path)) for path in paths)}"

    def once() -> Growth:
        costs = [measure(title, grown(whole, paths, filling, octets)) for octets in (SMALL, LARGE)]
        return Growth(*costs)

    found = once()
    for _ in range(2):
        if not found.superlinear:
            break
        again = once()
        found = min(found, again, key=lambda each: each.factor)
    return found


def main() -> int:
    """Print the worst that was found; 1 when a cost outgrows its document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    found = list(search(told.seconds, seed=told.seed))
    lines = ["     octets  seconds  us/octet  x small  document"]
    for each in sorted(found, key=lambda growth: -growth.large.seconds)[:8]:
        cost = each.large
        numbers = f"{cost.octets:11,} {cost.seconds:8.3f} {cost.per_octet:9.2f} {each.factor:8.1f}"
        lines.append(f"{numbers}  {cost.name}")
    bad = [each for each in found if each.superlinear]
    lines += [
        f"superlinear: an octet costs {each.factor:.1f} times as much: {each.large.name}" for each in bad
    ]
    lines.append(f"expensive documents: {len(found)} growths, {len(bad)} superlinear")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
