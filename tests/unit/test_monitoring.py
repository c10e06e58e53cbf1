"""The examples for Prometheus and Grafana name what controllers and appliances really tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from causeway_agent.api import metrics as of_agents
from causeway_controller.api.metrics import Metrics

PLACE = Path(__file__).resolve().parents[2] / "docs/examples/monitoring"
NAME = re.compile(r"\b(?:causeway|process)_\w+\b")
SELECTOR = re.compile(r"\b(?P<name>(?:causeway|process)_\w+)\{(?P<matchers>[^}]*)\}")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
OF_EVERY_TARGET = {"job", "instance"}
PROCESS = {
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_open_fds",
}
"""Of the agents, by Prometheus's own convention."""


def told_by_controllers() -> dict[str, set[str]]:
    """Names of samples and their labels, from a real exposition."""
    metrics = Metrics()
    metrics.requests.labels("status", "200").inc()
    metrics.appliances.labels("missing").set(1)
    metrics.seconds.labels("status").observe(0.1)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def told_by_agents() -> dict[str, set[str]]:
    """The catalogue; its own tests compare it with what an agent exposes."""
    return {
        name + ("_total" if about.kind is of_agents.Kind.COUNTER else ""): set(about.labels)
        for name, about in of_agents.CATALOGUE.items()
    }


KNOWN = told_by_controllers() | told_by_agents()


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PLACE / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def in_dashboard(value: Any) -> Iterator[str]:
    """Every expression of a panel, and every query of a variable."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in {"expr", "definition"} and isinstance(inner, str):
                yield inner
            else:
                yield from in_dashboard(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from in_dashboard(inner)


def expressions() -> list[str]:
    dashboard = json.loads((PLACE / "dashboard.json").read_text())
    return [*(rule["expr"] for rule in rules()), *in_dashboard(dashboard)]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_of_an_expression_is_told_with_these_labels(expression: str) -> None:
    names = set(NAME.findall(expression))
    assert names or "up{" in expression
    assert names - KNOWN.keys() - PROCESS == set()
    for found in SELECTOR.finditer(expression):
        labels = set(LABEL.findall(found["matchers"]))
        assert labels <= KNOWN.get(found["name"], set()) | OF_EVERY_TARGET, found["name"]


def test_the_check_of_names_sees_one_that_nobody_tells() -> None:
    assert set(NAME.findall("rate(causeway_no_such_total[5m])")) - KNOWN.keys()


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "action"}
        for page in re.findall(r"docs/[\w/-]+\.md", rule["annotations"]["action"]):
            assert (PLACE.parents[2] / page).exists(), page


def test_every_alert_is_tried_firing_and_quiet() -> None:
    tests = yaml.safe_load((PLACE / "alerts.test.yml").read_text())["tests"]
    tried = {(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test["alert_rule_test"]}
    assert tried == {(rule["alert"], fires) for rule in rules() for fires in (True, False)}


def test_what_the_reference_says_to_be_woken_by_is_an_alert() -> None:
    page = (PLACE.parents[1] / "reference/metrics.md").read_text().split("## What to be woken by")[1]
    watched = set(NAME.findall(" ".join(rule["expr"] for rule in rules())))
    assert set(NAME.findall(page)) <= watched


def test_the_jobs_of_the_example_are_those_of_the_alerts() -> None:
    jobs = {
        one["job_name"] for one in yaml.safe_load((PLACE / "prometheus.yml").read_text())["scrape_configs"]
    }
    assert jobs == set(re.findall(r'job="([^"]+)"', " ".join(expressions())))
