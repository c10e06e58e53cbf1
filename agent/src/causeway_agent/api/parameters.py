"""Query parameters, strictly read: what is not exactly one of the allowed forms is a problem."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from causeway_agent.web.fields import Fields
from causeway_wire.change import CONFIRM_SECONDS
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Epoch

_WAIT = re.compile(r"(?P<seconds>[0-9]{1,4})s?", re.ASCII)
_WHOLE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_EPOCH = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_FLAGS = {"true": True, "false": False}
_REPEATED = {"id"}
"""May be given more than once."""


def only(query: Fields, known: Collection[str]) -> None:
    """Raises ProblemError for a parameter that is not known or given twice: a misspelt `confirm` must not
    become a change without confirmation.
    """
    for name in query:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise _invalid(f"{name[:40]!r} is no parameter of this resource; it knows {listed}")
        if name not in _REPEATED and len(query.getall(name)) > 1:
            raise _invalid(f"{name} is given more than once")


def wait_seconds(query: Mapping[str, str], *, limit: int) -> float:
    """The `wait` of a long poll in seconds, 0 when there is none; raises ProblemError."""
    match = _WAIT.fullmatch(query.get("wait", "0"))
    if match is None or int(match["seconds"]) > limit:
        raise _invalid(f"wait takes whole seconds up to {limit}, such as 30s")
    return float(match["seconds"])


def confirm_seconds(query: Mapping[str, str], name: str) -> int | None:
    """How long a change awaits its confirmation, None when not asked for; raises ProblemError."""
    text = query.get(name)
    if text is None:
        return None
    if _WHOLE.fullmatch(text) is None or int(text) > CONFIRM_SECONDS:
        raise _invalid(f"{name} takes whole seconds from 1 to {CONFIRM_SECONDS}, such as 120")
    return int(text)


def epoch(query: Mapping[str, str]) -> Epoch:
    """The epoch of the workflow that decides; raises ProblemError when there is none."""
    text = query.get("epoch", "")
    if _EPOCH.fullmatch(text) is None or int(text) >= 2**53:
        raise _invalid("say of which epoch this decision is: epoch=N, as in the document")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Whether this is asked for; raises ProblemError for anything but `true` and `false`."""
    text = query.get(name, "false")
    if text not in _FLAGS:
        raise _invalid(f"{name} is true or false")
    return _FLAGS[text]


def _invalid(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.INVALID, detail))
