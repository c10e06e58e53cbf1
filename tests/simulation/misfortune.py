"""What strikes the world: controllers are killed or stopped, agents and machines die, effects are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final

from tests.simulation.appliance import Appliance
from tests.simulation.network import Cut
from tests.simulation.properties import Properties
from tests.simulation.schedule import Blow
from tests.simulation.world import GATEWAY, PROVIDER, World

POWER_CUT_SECONDS: Final = 25.0
"""Until a machine that lost its power has booted and looked."""


class Misfortune:
    """Strikes one world until there is peace."""

    def __init__(self, world: World, properties: Properties) -> None:
        self._world = world
        self._properties = properties
        self._acts: dict[str, Callable[[Blow], None]] = {
            "kill": self._kill,
            "kill-all": self._kill_all,
            "stop": self._stop,
            "agent": self._agent,
            "power": self._power,
            "effect": self._effect,
            "refuse": self._refuse,
            "cut": self._cut,
        }
        self._addressee = PROVIDER
        self.struck = 0
        self.peace = False

    def begin(self, blows: Sequence[Blow]) -> None:
        """Have each happen when its message is sent."""
        waiting: dict[tuple[str, int], list[Blow]] = {}
        for blow in blows:
            waiting.setdefault((blow.route, blow.after), []).append(blow)
        sent = Counter[str]()

        def strike(route: str, appliance: str) -> None:
            sent[route] += 1
            self._addressee = appliance
            for blow in waiting.get((route, sent[route]), ()):
                if not self.peace:
                    self.struck += 1
                    self._acts[blow.what](blow)

        self._world.network.before_sending = strike

    def end(self) -> None:
        """Nothing is lost, refused or ended any more."""
        self.peace = True
        self._world.network.conditions.heal()
        self._world.machines.refuses = 0.0
        for appliance in self._world.appliances.values():
            fuse = appliance.hardware.fuse
            fuse.at, fuse.refuse = None, set()

    def _kill(self, blow: Blow) -> None:
        living = self._world.living()
        if living:
            living[blow.whom % len(living)].kill()
            self._world.loop.call_later(blow.amount / 4, self._world.new_controller, context=Context())

    def _kill_all(self, blow: Blow) -> None:
        for one in self._world.living():
            one.kill()
        self._world.loop.call_later(blow.amount, self._world.new_controller, context=Context())

    def _stop(self, blow: Blow) -> None:
        living = self._world.living()
        if living:
            living[blow.whom % len(living)].stop_for(blow.amount)

    def _agent(self, blow: Blow) -> None:
        appliance = self._appliance(blow)
        if appliance.up:
            appliance.die("killed")

    def _power(self, blow: Blow) -> None:
        appliance = self._appliance(blow)
        if appliance.on:
            if appliance.name == PROVIDER:
                self._properties.excuse(POWER_CUT_SECONDS)
            appliance.die("power cut", power=True)

    def _effect(self, blow: Blow) -> None:
        fuse = self._appliance(blow).hardware.fuse
        fuse.at, fuse.before = fuse.count + blow.amount % 40, self._world.loop.random.random() < 0.5

    def _refuse(self, blow: Blow) -> None:
        fuse = self._appliance(blow).hardware.fuse
        fuse.refuse = {fuse.count + blow.amount % 40}

    def _cut(self, blow: Blow) -> None:
        loop, name = self._world.loop, self._world.cut(blow.amount) or self._appliance(blow).name
        answers_only = loop.random.random() < 0.5
        self._world.tell(f"{name} is cut off for {blow.amount} s{', its answers only' * answers_only}")
        until = loop.time() + blow.amount
        self._world.network.conditions.cuts.append(
            Cut(appliance=name, until=until, answers_only=answers_only)
        )

    def _appliance(self, blow: Blow) -> Appliance:
        if blow.whom < 0 and self._addressee in self._world.appliances:
            return self._world.appliances[self._addressee]
        names = [PROVIDER, *(one.name for one in self._world.tenants()), GATEWAY]
        return self._world.appliances[names[blow.whom % len(names)]]
