"""The table of public rules: what is in it, which change may be made, what that means for the packet filter.

Pure, and a change costs what it changes, whatever the size of the table. A public port belongs to one rule:
sources do not part it, so that who reaches a port, and where it leads, is read in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from causeway_agent.errors import CompileError
from causeway_agent.plan.filter import public_checks, public_elements
from causeway_agent.plan.filter.public_checks import Ground
from causeway_agent.plan.filter.public_elements import Cuts, Elements, Entry
from causeway_agent.plan.filter.skeleton import PUBLIC_PORTS
from causeway_agent.plan.model.checks import Findings
from causeway_wire.problem import ProblemType
from causeway_wire.public_rules import SOURCE_PORTS, TARGETS, PublicRules, PublicRulesPatch, RuleId
from causeway_wire.types import Epoch

MAX_ELEMENTS: Final = PUBLIC_PORTS
"""Public ports of all rules together; the sets are declared for as many."""
MAX_TARGETS: Final = TARGETS
"""Internal addresses of all rules together: what a VM sends has a set of its own."""
MAX_SOURCE_ELEMENTS: Final = SOURCE_PORTS
"""Of rules with sources: the kernel's sets of concatenated ranges slow down with the square of their size."""
MAX_PROBLEMS: Final = 100
"""Told at once; a table can be wrong in 100,000 places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A change of the table: both sides of what differs."""

    revision: int
    """Of the table before."""
    epoch: Epoch
    before: Mapping[RuleId, Entry]
    """Rules that go or change, as they were."""
    after: Mapping[RuleId, Entry]
    """Rules that come or change, as they are."""

    @property
    def changed(self) -> int:
        """How many rules get another content."""
        return len(self.before.keys() & self.after.keys())


class Table:
    """Rules by id, and by public port."""

    def __init__(self) -> None:
        self.revision = 0
        self.epoch: Epoch = 0
        self.entries: dict[RuleId, Entry] = {}
        self._owners: dict[bytes, RuleId] = {}
        self._restricted = 0
        """Elements of rules with sources."""
        self._publishers: dict[bytes, dict[bytes, int]] = {}
        """By internal address: how many rules publish it on each public address."""

    def __len__(self) -> int:
        return len(self.entries)

    def owner(self, key: bytes) -> Entry | None:
        """The rule of a public port."""
        name = self._owners.get(key)
        return None if name is None else self.entries[name]

    def document(self) -> PublicRules:
        """The table as it is sent."""
        rules = tuple(entry.rule for entry in self.entries.values())
        return PublicRules(revision=self.revision, epoch=self.epoch, rules=rules)

    def elements(self, allocation: frozenset[bytes]) -> Elements:
        """Everything that the packet filter must hold."""
        found = public_elements.collect(self.entries.values())
        found.update(self.sources(allocation))
        return found

    def sources(self, allocation: frozenset[bytes], internals: Iterable[bytes] | None = None) -> Elements:
        """What these internal addresses (None: all) leave with: the lowest public address of the allocation
        that publishes them.
        """
        found: Elements = {"source4": {}, "source6": {}}
        for internal in self._publishers if internals is None else internals:
            public = [at for at in self._publishers.get(internal, ()) if at in allocation]
            if public:
                found[public_elements.source_set(internal)][internal] = min(public)
        return found

    def whole(self, document: PublicRules, on: Ground | None) -> tuple[Table, Delta]:
        """The table that replaces this one, and the difference; raises CompileError with the problems.

        Without ground, rules are only held against each other: they were checked when they came.
        """
        findings, new = Findings(), Table()
        new.revision, new.epoch = document.revision, document.epoch
        for index, rule in enumerate(document.rules):
            if len(findings.problems) >= MAX_PROBLEMS:
                break
            entry = public_elements.entry(rule)
            if rule.id in new.entries:
                findings.add(ProblemType.DUPLICATE, f"/rules/{index}/id", f"two rules are called {rule.id}")
            elif (
                on is None
                or public_checks.is_plain_and_right(entry, on)
                or public_checks.check(entry, on, f"/rules/{index}", findings)
            ):
                new._enter(entry, "/rules", index, findings)
        if findings.problems:
            raise CompileError(tuple(findings.problems))
        same = {name for name, entry in self.entries.items() if new.entries.get(name) == entry}
        return new, Delta(
            revision=self.revision,
            epoch=self.epoch,
            before={name: entry for name, entry in self.entries.items() if name not in same},
            after={name: entry for name, entry in new.entries.items() if name not in same},
        )

    def change(self, patch: PublicRulesPatch, on: Ground | None) -> Delta:
        """Make the change; what it did. Raises CompileError with the problems, then nothing is changed."""
        findings = Findings()
        before = self._leaving(patch, findings)
        after: dict[RuleId, Entry] = {}
        for index, rule in enumerate(patch.put):
            if rule.id in after:
                findings.add(ProblemType.DUPLICATE, f"/put/{index}/id", f"rule {rule.id} is put twice")
            after[rule.id] = public_elements.entry(rule)
            if on is not None:
                public_checks.check(after[rule.id], on, f"/put/{index}", findings)
        if not findings.problems:
            self._exchange(before, after, findings)
        if findings.problems:
            raise CompileError(tuple(findings.problems[:MAX_PROBLEMS]))
        delta = Delta(revision=self.revision, epoch=self.epoch, before=before, after=after)
        self.revision, self.epoch = patch.revision, patch.epoch
        return delta

    def touched(self, patch: PublicRulesPatch) -> frozenset[bytes]:
        """Internal addresses that rules of the patch publish, now or after it."""
        names = (*patch.remove, *(rule.id for rule in patch.put))
        now = (self.entries[name].internal for name in names if name in self.entries)
        return frozenset((*now, *(rule.internal_address.packed for rule in patch.put)))

    def holds(self, document: PublicRules) -> bool:
        """Whether the document is this table."""
        mine = self.entries
        return (
            document.revision == self.revision
            and len(document.rules) == len(mine)
            and all(rule.id in mine and mine[rule.id].rule == rule for rule in document.rules)
        )

    def undo(self, delta: Delta) -> None:
        """Take back what `change` did last."""
        self._exchange(delta.after, delta.before, Findings())
        self.revision, self.epoch = delta.revision, delta.epoch

    def in_place(self, patch: PublicRulesPatch) -> bool:
        """Whether the patch gave this revision: sending it again changes nothing."""
        put = {rule.id: rule for rule in patch.put}
        held = {name: self.entries[name].rule for name in put if name in self.entries}
        gone = not any(name in self.entries for name in patch.remove if name not in put)
        return patch.revision == self.revision and held == put and gone

    def check(self, on: Ground | None) -> None:
        """Raises CompileError when a rule no longer fits a document that is to come in force."""
        findings = Findings()
        for name, entry in self.entries.items():
            own = Findings()
            if on is None:
                own.add(ProblemType.WRONG_ROLE, "", "only a provider appliance publishes services")
            elif not public_checks.is_plain_and_right(entry, on):
                public_checks.check(entry, on, "", own)
            for found in own.problems:
                detail = f"public rule {name} would not fit any more: {found.detail}; change the rule first"
                findings.problems.append(msgspec.structs.replace(found, pointer="/role", detail=detail))
            if len(findings.problems) >= MAX_PROBLEMS:
                break
        if findings.problems:
            raise CompileError(tuple(findings.problems))

    def _leaving(self, patch: PublicRulesPatch, findings: Findings) -> dict[RuleId, Entry]:
        """Rules that the patch removes or replaces."""
        before: dict[RuleId, Entry] = {}
        for index, name in enumerate(patch.remove):
            pointer = f"/remove/{index}"
            if name in before:
                findings.add(ProblemType.DUPLICATE, pointer, f"rule {name} is removed twice")
            elif name in self.entries:
                before[name] = self.entries[name]
            else:
                findings.add(ProblemType.UNKNOWN_REFERENCE, pointer, f"there is no rule {name}")
        for rule in patch.put:
            if rule.id in self.entries:
                before.setdefault(rule.id, self.entries[rule.id])
        return before

    def _exchange(
        self, before: Mapping[RuleId, Entry], after: Mapping[RuleId, Entry], findings: Findings
    ) -> None:
        """Take rules out and others in; nothing happens when one of them finds no place."""
        for entry in before.values():
            self._leave(entry)
        entered = [
            entry for index, entry in enumerate(after.values()) if self._enter(entry, "/put", index, findings)
        ]
        if findings.problems:
            for entry in entered:
                self._leave(entry)
            for entry in before.values():
                self._enter(entry, "", 0, Findings())

    def _enter(self, entry: Entry, base: str, index: int, findings: Findings) -> bool:
        """Add the rule unless one of its ports is another's, or there are too many."""
        owners, rule = self._owners, entry.rule
        reachable = entry.internal in self._publishers or len(self._publishers) < MAX_TARGETS
        single = (
            rule.public_port_end is None and not rule.sources and len(owners) < MAX_ELEMENTS and reachable
        )
        if single and owners.setdefault(entry.key, rule.id) is rule.id:
            self._count(entry)
            return True
        pointer = f"{base}/{index}"
        restricted = self._restricted + (public_elements.size(rule) if rule.sources else 0)
        total = len(owners) + public_elements.ports(rule)
        if total > MAX_ELEMENTS or restricted > MAX_SOURCE_ELEMENTS:
            detail = (
                f"with rule {rule.id} there are {total} ports, and {restricted} ports times sources of rules "
                f"with sources; the limits are {MAX_ELEMENTS} and {MAX_SOURCE_ELEMENTS}"
            )
            findings.add(ProblemType.INVALID, pointer, detail)
            return False
        if not reachable:
            detail = (
                f"rule {rule.id} leads to one more than the {MAX_TARGETS} internal addresses there may be"
            )
            findings.add(ProblemType.INVALID, f"{pointer}/internal_address", detail)
            return False
        mine = public_elements.keys(entry)
        for key in mine:
            if key in owners:
                port = int.from_bytes(key[-4:-2], "big")
                detail = f"{rule.protocol.value} port {port} of {rule.public_address} is rule {owners[key]}'s"
                findings.add(ProblemType.DUPLICATE, f"{pointer}/public_port", detail)
                return False
        for key in mine:
            owners[key] = rule.id
        self._restricted = restricted
        self._count(entry)
        return True

    def _count(self, entry: Entry) -> None:
        self.entries[entry.rule.id] = entry
        publishers = self._publishers.get(entry.internal)
        if publishers is None:
            self._publishers[entry.internal] = {entry.public: 1}
        else:
            publishers[entry.public] = publishers.get(entry.public, 0) + 1

    def _leave(self, entry: Entry) -> None:
        rule = entry.rule
        for key in public_elements.keys(entry):
            del self._owners[key]
        del self.entries[rule.id]
        if rule.sources:
            self._restricted -= public_elements.size(rule)
        publishers = self._publishers[entry.internal]
        publishers[entry.public] -= 1
        if not publishers[entry.public]:
            del publishers[entry.public]
        if not publishers:
            del self._publishers[entry.internal]


@dataclass(frozen=True, slots=True)
class Work:
    """What a change means outside: elements to delete, then to add, and flows that must end."""

    delete: Elements
    add: Elements
    cuts: Cuts


def work(table: Table, delta: Delta, allocation: frozenset[bytes], sources_before: Elements) -> Work:
    """From the rules before to those in the table now; `sources_before` is what `affected` ones left with."""
    old = public_elements.collect(delta.before.values())
    new = public_elements.collect(delta.after.values())
    old.update(sources_before)
    new.update(table.sources(allocation, affected(delta.before, delta.after)))
    delete, add = public_elements.difference(old, new)
    return Work(delete, add, public_elements.cuts(delta.before.values(), table.owner))


def affected(*groups: Mapping[RuleId, Entry]) -> frozenset[bytes]:
    """Internal addresses that these rules publish."""
    return frozenset(entry.internal for group in groups for entry in group.values())
