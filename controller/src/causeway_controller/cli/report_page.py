"""A run's summary as a page: one HTML file that needs nothing else, to be read, printed and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from msgspec import UNSET, Raw, UnsetType

from causeway_controller.cli import telling
from causeway_controller.contract.run_summary import RunSummary

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; }
th { border-bottom: 2px solid #d0d7de; } td { border-bottom: 1px solid #eaeef2; vertical-align: top; }
.finished, .ready, .done { color: #116329; }
.failed, .late, .undo-failed { color: #a40e26; font-weight: 600; }
.bar { background: #54aeff; height: .6rem; min-width: 2px; }
.num { text-align: right; white-space: nowrap; }
@media print { body { margin: 0; max-width: none; } }
"""
_HTML: Final = """<!doctype html>
<html lang='en'><head><meta charset='utf-8'><title>{title}</title><style>{style}</style></head><body>
{body}
</body></html>
"""
_STEPS: Final = (
    "<h2>Steps</h2><table><tr><th>stage</th><th>step</th><th>state</th><th class='num'>took</th></tr>"
)


def page(summary: RunSummary) -> str:
    """Return the page as HTML (UTF-8 where it is written)."""
    run = summary.run
    title = f"Run {run.id}: {summary.state}"
    request = json.loads(bytes(run.request))
    facts = (
        ("request", request.get("request", "")),
        ("tenant on host", run.where),
        ("plan", request.get("plan", "")),
        ("asked by", f"{run.actor} at {run.at:%Y-%m-%d %H:%M:%S} UTC"),
        ("took", _seconds(summary.seconds)),
        ("carried out by", ", ".join(summary.controllers)),
        ("mode before", _mode(summary.mode_before)),
        ("mode after", _mode(summary.mode)),
    )
    parts = [
        f"<h1>Run {escape(run.id)}: <span class={summary.state!r}>{escape(summary.state)}</span></h1>",
        _table((), ((name, value) for name, value in facts if value)),
        f"<p class='failed'>{escape(summary.why)}</p>" if summary.why else "",
        *_vms(summary),
        *_list("Undone", summary.undone),
        *_list("Could not be undone", summary.kept),
        *_list("Still in effect", summary.stand),
        *_now(summary.now),
        *_stages(summary),
    ]
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{_STYLE}</style>"
    return (
        f"<!doctype html>\n<html lang='en'><head>{head}</head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _vms(summary: RunSummary) -> Iterable[str]:
    if not summary.vms:
        return
    longest = max((vm.seconds for vm in summary.vms if not isinstance(vm.seconds, UnsetType)), default=0.0)
    yield "<h2>Time to ready</h2>"
    yield "<table><tr><th>VM</th><th>state</th><th class='num'>from power on</th><th></th>"
    yield "<th class='num'>from the beginning</th><th>restore point (UTC)</th></tr>"
    for vm in summary.vms:
        share = 0.0 if vm.seconds is UNSET or not longest else 100 * vm.seconds / longest
        bar = f"<div class='bar' style='width:{share:.1f}%'></div>" if vm.seconds is not UNSET else ""
        said = escape(vm.state) + (f": {escape(vm.error)}" if vm.error else "")
        yield (
            f"<tr><td>{escape(vm.vm)}</td><td class='{escape(vm.state)}'>{said}</td>"
            f"<td class='num'>{_seconds(vm.seconds)}</td><td style='width:30%'>{bar}</td>"
            f"<td class='num'>{_seconds(vm.since)}</td><td>{telling.moment(vm.restored_to)}</td></tr>"
        )
    yield "</table>"


def _now(now: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    if now:
        yield "<h2>What is where, when it ended</h2>"
    for title, heads in (
        ("appliances", ("appliance", "mode")),
        ("vms", ("replica", "power")),
        ("addresses", ("address", "held by")),
    ):
        if now.get(title):
            yield _table(heads, now[title].items())


def _stages(summary: RunSummary) -> Iterable[str]:
    if summary.stages:
        yield _STEPS
    for number, stage in enumerate(summary.stages, 1):
        for step in stage:
            said = escape(step.state) + (f": {escape(step.error)}" if step.error else "")
            yield (
                f"<tr><td>{number}</td><td>{escape(step.step)}</td>"
                f"<td class='{escape(step.state)}'>{said}</td>"
                f"<td class='num'>{_seconds(step.seconds)}</td></tr>"
            )
    if summary.stages:
        yield "</table>"


def _list(title: str, sentences: Iterable[str]) -> Iterable[str]:
    items = "".join(f"<li>{escape(one)}</li>" for one in sentences)
    if items:
        yield f"<h2>{escape(title)}</h2><ul>{items}</ul>"


def _table(heads: Iterable[str], rows: Iterable[tuple[str, str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _seconds(value: float | UnsetType) -> str:
    return "" if value is UNSET else f"{value:.1f} s"


def _mode(value: Raw | UnsetType) -> str:
    if value is UNSET:
        return ""
    members = json.loads(bytes(value))
    vms = ", ".join(members.get("vms", ()))
    return f"{members['mode']} ({vms})" if vms else str(members["mode"])
