"""A client at a besieged agent: sends anything, and sees that what is refused changes nothing."""

from __future__ import annotations

import json
from typing import Any, Self

import requests
import requests.adapters

from causeway_wire import codec
from causeway_wire.change import Change
from causeway_wire.desired import Desired
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemType
from tests.served import Besieged

JSON = "application/json"


class _Adapter(requests.adapters.HTTPAdapter):
    """Appliances are named by their URN, not by a host name."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, assert_hostname=False, **options)


class Siege:
    """A besieged agent and the client it trusts."""

    def __init__(self, agent: Besieged) -> None:
        self.agent = agent
        self.session = requests.Session()
        self.session.mount("https://", _Adapter())
        self.session.trust_env = False
        self.session.verify = str(agent.directory / "ca.pem")
        self.session.cert = str(agent.directory / "client.pem")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.session.close()

    def raw(
        self, method: str, path: str, body: bytes, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """The answer to exactly these octets; the path goes as it is."""
        sent = {"If-Match": "*", "Content-Type": JSON} if headers is None else headers
        request = self.session.prepare_request(
            requests.Request(method, self.agent.url, data=body or None, headers=sent)
        )
        request.url = self.agent.url + path
        return self.session.send(request, verify=str(self.session.verify), cert=self.session.cert, timeout=20)

    def refused_everywhere(self, document: Any, kind: ProblemType, pointer: str) -> Problem:
        """The problem that planning and putting the document are answered by; nothing has changed."""
        text, before = json.dumps(document).encode(), self.agent.state()
        planned, answered = (
            self._refused(self.raw(method, path, text), kind, pointer)
            for method, path in (("POST", "/v1/plan"), ("PUT", "/v1/desired?escalate=true"))
        )
        assert planned == answered
        assert self.agent.state() == before
        return answered

    def _refused(self, answer: requests.Response, kind: ProblemType, pointer: str) -> Problem:
        found = codec.decode(answer.content, Problem)
        every = (found, *(found.errors if isinstance(found.errors, tuple) else ()))
        named = [(each.type, each.pointer) for each in every]
        assert (kind.urn, pointer) in named, (answer.status_code, named)
        assert (answer.status_code, answer.headers["Content-Type"]) == (found.status, MEDIA_TYPE)

        return found

    def apply(self, document: Desired) -> None:
        """Put a document in force that is meant."""
        first = self.agent.door.engine.state.in_force is None
        headers = {"If-None-Match": "*"} if first else {"If-Match": "*"}
        answer = self.raw(
            "PUT", "/v1/desired?escalate=true", codec.encode(document), {**headers, "Content-Type": JSON}
        )
        assert answer.status_code in {200, 202}, answer.text
        assert self.settled() == "done"

    def settled(self) -> str:
        """How the last change ended."""
        change = self.agent.run(self._last_change())
        return change.state.value if change is not None else "none"

    @property
    def generation(self) -> int:
        """One that has not been sent."""
        latest = self.agent.door.engine.records.latest()
        return 1 if latest is None else latest.generation + 1

    async def _last_change(self) -> Change | None:
        records = self.agent.door.engine.records
        latest = records.latest()
        return None if latest is None else await records.wait(latest.id, seconds=10)
