"""A client of the controller's API: what is wrong, and a full failover, tried or begun and followed.

    client.py TENANT HOST            says what is wrong now, and what a full failover would do
    client.py TENANT HOST --begin    begins it, and waits until it is over

It reads CAUSEWAY_SERVER, CAUSEWAY_CA_FILE and CAUSEWAY_TOKEN_FILE, as the command `causeway` does.
Exit codes: 0 done, 1 refused, 4 the run ended otherwise than wanted.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

SERVER = os.environ["CAUSEWAY_SERVER"]
TOKEN = Path(os.environ["CAUSEWAY_TOKEN_FILE"]).read_text(encoding="ascii").strip()
TRUST = ssl.create_default_context(cafile=os.environ.get("CAUSEWAY_CA_FILE"))


def ask(method: str, path: str, body: object = None, **headers: str) -> Any:
    """The answer's document. Raises HTTPError, whose body is a problem (RFC 9457), for what is refused."""
    asked = urllib.request.Request(
        SERVER + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(asked, timeout=60, context=TRUST) as answer:
        return json.load(answer)


def main(tenant: str, host: str, *, begin: bool) -> int:
    print(ask("GET", "/v1/status")["summary"], flush=True)
    runs, wanted = f"/v1/tenants/{tenant}/hosts/{host}/runs", {"request": "fail-over-site", "tenant": tenant}
    if not begin:
        print(json.dumps(ask("POST", f"{runs}?dry_run=true", wanted), indent=2))
        return 0
    # After a lost answer the same under the same key begins nothing twice.
    run = ask("POST", runs, wanted, **{"Idempotency-Key": str(uuid.uuid4())})
    while (summary := ask("GET", f"/v1/runs/{run['id']}/summary"))["state"] == "under way":
        time.sleep(2)
    print(run["id"], summary["state"], summary.get("why", ""))
    return 0 if summary["state"] == "finished" else 4


if __name__ == "__main__":
    if not SERVER.startswith("https://"):
        sys.exit("a token is not sent in the clear")
    try:
        sys.exit(main(sys.argv[1], sys.argv[2], begin=sys.argv[3:] == ["--begin"]))
    except urllib.error.HTTPError as refused:
        problem = json.load(refused)
        for one in problem.get("errors", [problem]):
            print(one.get("pointer", ""), one["detail"], file=sys.stderr)
        sys.exit(1)
