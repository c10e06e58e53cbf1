"""Plays seeded histories of agents and controllers, and looks whether five properties hold in each.

Usage: python -m tests.simulation [--seeds N] [--seed S [--trace]] [--linked | --back] [--mutants]
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter

from tests.simulation import mutants
from tests.simulation.scenario import History, run

WANTED = 27
"""Planted faults that must be found."""


def main() -> int:
    """Play what is asked for; 1 when a property does not hold, or too few planted faults are found."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one (%(default)s)")
    parser.add_argument("--seed", type=int, help="only the history of this seed")
    parser.add_argument("--trace", action="store_true", help="tell what happens in it")
    parser.add_argument("--linked", action="store_true", help="each site has controllers of its own")
    parser.add_argument("--back", action="store_true", help="so, and back from a full failover, some kept")
    parser.add_argument("--mutants", action="store_true", help="plant faults, and see them found")
    parser.add_argument("names", nargs="*", help="only these faults")
    asked = parser.parse_args()
    if asked.mutants:
        return _mutants(asked.seeds, frozenset(asked.names))
    if asked.seed is not None:
        return _one(asked.seed, trace=asked.trace, linked=asked.linked, back=asked.back)
    return _all(range(asked.first, asked.first + asked.seeds), linked=asked.linked, back=asked.back)


def _one(seed: int, *, trace: bool, linked: bool, back: bool) -> int:
    history = run(seed, linked=linked, back=back)
    if trace:
        _say("\n".join(history.trace))
    _say(f"seed {seed}: {history.broken or 'holds'}; trace {_digest((history,))}")
    return 1 if history.broken else 0


def _all(seeds: range, *, linked: bool, back: bool) -> int:
    began, counts, broken = time.process_time(), Counter[str](), 0
    elapsed, steps, digest = 0.0, 0, hashlib.sha256()
    for seed in seeds:
        history = run(seed, linked=linked, back=back)
        counts.update(history.counts)
        elapsed, steps = elapsed + history.elapsed, steps + history.steps
        digest.update(_digest((history,)).encode())
        if history.broken is not None:
            broken += 1
            kind = " --linked" if linked else " --back" if back else ""
            _say(f'seed {seed}: {history.broken}; see it with ARGS="--seed {seed} --trace{kind}"')
    seconds = time.process_time() - began
    told = ", ".join(f"{number} {name}" for name, number in counts.items())
    _say(
        f"{len(seeds)} histories, {elapsed:,.0f} virtual s in {seconds:.1f} s of CPU, {steps:,} steps: {told}"
    )
    _say(f"traces {digest.hexdigest()[:16]}")
    if not counts["runs"] and len(seeds) > 1:
        _say("simulate: nobody's request was accepted in any history, so nothing was shown")
        return 1
    _say("simulate: " + (f"{broken} histories break a property" if broken else "every property holds"))
    return 1 if broken else 0


def _digest(histories: tuple[History, ...]) -> str:
    text = "\n".join(line for history in histories for line in history.trace)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mutants(seeds: int, names: frozenset[str]) -> int:
    total = found = 0
    for hunt in mutants.hunt(seeds=seeds, names=names):
        total += 1
        fault = hunt.fault
        if hunt.found is not None:
            found += 1
            _say(f"{fault.name:20} found by seed {hunt.found.seed}: {hunt.found.broken}")
        else:
            why = fault.stands or "no history drawn so far needs what it breaks"
            _say(f"{fault.name:20} NOT FOUND in {hunt.seeds} histories: {fault.about}; {why}")
    _say(f"simulate: {found} of {total} planted faults found")
    return 0 if names or found >= WANTED else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
