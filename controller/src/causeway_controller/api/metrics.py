"""What Prometheus is told of the controller. A registry of its own: nothing is global."""

from __future__ import annotations

from typing import Final

import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from causeway_controller import __version__

CONTENT_TYPE: Final = "text/plain"
_BUCKETS: Final = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)


class Metrics:
    """All metrics of one controller."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "causeway_api_requests",
            "Requests answered, by route and status",
            ("route", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "causeway_api_seconds", "Time to answer", ("route",), buckets=_BUCKETS, registry=registry
        )
        self.unknown_callers = Counter(
            "causeway_api_unknown_callers", "Requests of nobody known", registry=registry
        )
        self.revision = Gauge("causeway_inventory_revision", "Of the inventory in force", registry=registry)
        self.tenants = Gauge("causeway_tenants", "Tenants in the inventory", registry=registry)
        self.appliances = Gauge(
            "causeway_appliances",
            "Deployed appliances, by condition",
            ("condition",),
            registry=registry,
        )
        self.troubles = Gauge(
            "causeway_troubles", "What is wrong now, as `causeway status` counts it", registry=registry
        )
        self.open_runs = Gauge("causeway_open_runs", "Runs that are not over", registry=registry)
        Gauge("causeway_controller_info", "Version", ("version",), registry=registry).labels(__version__).set(
            1
        )

    def count(self, request: web.Request, status: int, seconds: float) -> None:
        """Note an answered request. Paths that nobody serves are one route: their number is not bounded."""
        route = request.match_info.route.name or "none"
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)
        if status == 401:  # noqa: PLR2004 - Unauthorized
            self.unknown_callers.inc()

    def text(self) -> bytes:
        """The exposition."""
        return prometheus_client.generate_latest(self._registry)
