"""The tables of a policy as nft text: whole, or what turns those of another policy into them.

The rules are the same for every policy and name sets, so two policies differ in elements alone, and in the
digest that the inet table carries.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from causeway_agent.plan.filter.skeleton import TABLE, carried

FAMILIES = ("inet", "arp", "bridge")
CAME, GONE = "came", "gone"
"""Behind a set's name and a dot: sets that no packet sees, with what comes into it and what goes."""


@dataclass(frozen=True, slots=True)
class Family:
    """The table of one family: what it declares, what its sets are filled with, its rules by identity."""

    name: str
    declarations: str
    kinds: Mapping[str, str]
    elements: Mapping[str, tuple[str, ...]]
    """Sorted, by set; every set of `kinds` is named."""
    rules: Callable[[str], str]

    @classmethod
    def of(
        cls,
        name: str,
        declarations: str,
        kinds: Mapping[str, str],
        elements: Mapping[str, Iterable[str]],
        rules: Callable[[str], str],
    ) -> Family:
        """A table whose sets hold these elements; those that are not named hold none."""
        listed = {key: tuple(sorted(set(elements.get(key, ())))) for key in kinds}
        return cls(name, declarations, kinds, listed, rules)

    def text(self, table: str, identity: str, flags: str) -> str:
        """The nft commands that make it, or fill it anew."""
        name = f"{self.name} {table}"
        static = "".join(f"  {_word(kind)} {key} {{ {kind}; }}\n" for key, kind in self.kinds.items())
        flushes = "".join(f"flush {_word(kind)} {name} {key}\n" for key, kind in self.kinds.items())
        # Without its flags in each block the kernel would take a table for awake.
        head = f"table {name} {{\n{flags}"
        declared = f"{head}{self.declarations}{static}}}\nflush table {name}\n{flushes}"
        filled = "".join(self.fill(key, listed) for key, listed in self.elements.items() if listed)
        return f"{declared}{head}{filled}{self.rules(identity)}}}\n"

    def fill(self, key: str, listed: Iterable[str], *, suffix: str = "") -> str:
        """A set with elements, inside the table's block."""
        kind, joined = self.kinds[key], ", ".join(listed)
        elements = f"\n    elements = {{ {joined} }};\n " if joined else ""
        return f"  {_word(kind)} {key}{suffix} {{ {kind};{elements} }}\n"

    def changed(self, before: Family) -> list[str]:
        """The sets that hold something else than before."""
        return [key for key, listed in self.elements.items() if listed != before.elements[key]]

    def by_element(self, key: str) -> bool:
        """Whether the set can be told what goes and what comes.

        Not so ranges of a single field, which the kernel holds by their bounds, in a form that depends on how
        they came (those of several fields it holds as they are given); nor maps, nor keys whose type only the
        set's definition tells: they are filled anew.
        """
        kind = self.kinds[key]
        bounds = "interval" in kind and " . " not in kind
        return not (bounds or " : " in kind or kind.startswith("typeof"))

    def differing(self, key: str, before: Family) -> tuple[tuple[str, list[str]], ...]:
        """What goes out of a set, then what comes into it, each where there is any."""
        new, old = set(self.elements[key]), set(before.elements[key])
        ways = (GONE, sorted(old - new)), (CAME, sorted(new - old))
        return tuple((way, listed) for way, listed in ways if listed)

    def led_to(self, keys: Iterable[str]) -> str:
        """The chains that these maps of verdicts name, empty."""
        verdicts = (one for key in keys if self.kinds[key].endswith("verdict") for one in self.elements[key])
        return "".join(f"  chain {name} {{ }}\n" for name in sorted({one.split()[-1] for one in verdicts}))

    def difference(self, table: str, before: Family) -> Iterator[str]:
        """The nft commands for the sets that changed."""
        verbs = {GONE: "delete", CAME: "add"}
        for key in self.changed(before):
            name = f"{self.name} {table} {key}"
            if self.by_element(key):
                for way, listed in self.differing(key, before):
                    yield f"{verbs[way]} element {name} {{ {', '.join(listed)} }}\n"
            else:
                filled = self.fill(key, self.elements[key])
                yield f"flush {_word(self.kinds[key])} {name}\ntable {self.name} {table} {{\n{filled}}}\n"

    def asleep(self, before: Family) -> str:
        """The sets that changed, inside the table's block: what comes and what goes, else whole."""
        changed = self.changed(before)
        parts = [self.led_to(changed)]
        for key in changed:
            if self.by_element(key):
                ways = self.differing(key, before)
                parts += [self.fill(key, listed, suffix=f".{way}") for way, listed in ways]
            else:
                parts.append(self.fill(key, self.elements[key]))
        return "".join(parts)


@dataclass(frozen=True)
class Rendering:
    """A policy as text, worked out once: for a thousand failed-over VMs that takes a tenth of a second."""

    families: tuple[Family, ...]

    @functools.cached_property
    def digest(self) -> str:
        """Hex SHA-256 that names this policy as this version renders it; the loaded table carries it."""
        return hashlib.sha256(self._text(TABLE, identity="").encode()).hexdigest()

    def awake(self) -> str:
        """The nft commands that put the policy in force; one call of nft loads them in one transaction."""
        return self._text(TABLE, identity=self.digest)

    def asleep(self, table: str) -> str:
        """The same as tables of another name that no packet sees: what becomes of it is read there."""
        return removal(table) + self._text(table, identity=self.digest, flags="flags dormant;")

    def awake_after(self, before: Rendering) -> str:
        """The nft commands that put the policy in force where exactly that other one is."""
        chain = f"inet {TABLE} identity"
        identity = f"flush chain {chain}\nadd rule {chain} {carried(self.digest)}\n"
        pairs = zip(self.families, before.families, strict=True)
        return identity + "".join(text for family, old in pairs for text in family.difference(TABLE, old))

    def asleep_after(self, before: Rendering, table: str) -> str:
        """Tables that no packet sees, with nothing but what is not as in that other policy's: sets, and chain
        `identity`. Chains that verdicts lead to are there too, empty. Of a set that is told its elements (see
        `by_element`) there are two, named with `CAME` and `GONE`.
        """
        parts = [removal(table)]
        for family, old in zip(self.families, before.families, strict=True):
            carrying = family.name == "inet"
            chain = f"  chain identity {{\n    {carried(self.digest)}\n  }}\n" if carrying else ""
            parts.append(f"table {family.name} {table} {{\nflags dormant;\n{family.asleep(old)}{chain}}}\n")
        return "".join(parts)

    def _text(self, table: str, *, identity: str, flags: str = "") -> str:
        return "".join(family.text(table, identity, flags) for family in self.families)


def removal(table: str) -> str:
    """The nft commands after which there are no tables of this name, whether or not there were."""
    return "".join(f"add table {family} {table}\ndelete table {family} {table}\n" for family in FAMILIES)


def _word(kind: str) -> str:
    return "map" if " : " in kind else "set"
