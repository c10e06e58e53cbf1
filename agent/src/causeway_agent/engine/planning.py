"""The pure planner as the engine calls it: documents to targets, observations to plans, plans to objections."""

from __future__ import annotations
