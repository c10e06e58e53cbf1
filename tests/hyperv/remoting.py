"""PowerShell remoting as a Hyper-V host of the tests speaks it.

HTTPS, NTLM or Kerberos bound to the certificate (RFC 5929), WSMan (MS-WSMV), PSRP (MS-PSRP). A connection
logs in once.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import uuid
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psrpcore
from aiohttp import web
from psrpcore import types

from causeway_controller.hypervisors.hyperv.binding import load
from tests.hyperv.windows import RefusedError, Windows

_NAMES: Final = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "wsa": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "wsman": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "wst": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "ps": "http://schemas.microsoft.com/powershell",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
}
_SHELL: Final = _NAMES["rsp"] + "/"
_INTEGERS: Final = "System.Collections.Generic.List`1[[System.Int32, mscorlib, Version=4.0.0.0]]"
_TIMED_OUT, _NO_SHELL = 2150858793, 2150858843
_POLL_SECONDS: Final = 5.0
_DONE: Final = ("Completed", "Failed", "Stopped")


@dataclass
class Shell:
    """A runspace pool, and what of its answers was not fetched yet, by pipeline."""

    pool: psrpcore.ServerRunspacePool = field(default_factory=psrpcore.ServerRunspacePool)
    pipelines: dict[str, psrpcore.ServerPipeline] = field(default_factory=dict)
    answers: dict[str | None, list[bytes]] = field(default_factory=dict)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def pump(self) -> None:
        while (payload := self.pool.data_to_send(32768)) is not None:
            key = str(payload.pipeline_id).upper() if payload.pipeline_id else None
            self.answers.setdefault(key, []).append(bytes(payload.data))
        self.told.set()


@dataclass
class Remoting:
    """Serves one host's cmdlets to whoever knows the password."""

    windows: Windows
    certificate: bytes
    """Its own (DER), which a login is bound to (RFC 5929)."""
    port: int = 0
    shells: dict[str, Shell] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds that each pipeline takes."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    logins: dict[asyncio.BaseTransport, Any] = field(default_factory=dict)
    """By connection; True once it is in."""
    refused: int = 0
    """Logins that were."""
    ways: list[str] = field(default_factory=list)
    """By which each of the others was made: "ntlm" or "kerberos"."""

    def expire(self) -> None:
        """End every shell, as the host does with those that nobody used."""
        self.shells.clear()

    async def serve(self, request: web.Request) -> web.Response:
        """One HTTP request."""
        headers = self._login(request)
        if isinstance(headers, web.Response):
            return headers
        body = await request.read()
        if not body:
            return web.Response(headers=headers)
        envelope = ET.fromstring(body)  # noqa: S314 - our own client's
        answer = await self._answer(envelope)
        answer.headers.update(headers)
        return answer

    def _login(self, request: web.Request) -> Mapping[str, str] | web.Response:
        key = request.transport
        assert key is not None
        if self.logins.get(key) is True:
            return {}
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme not in {"Negotiate", "NTLM", "Kerberos"}:
            return web.Response(status=401, headers={"WWW-Authenticate": "Negotiate"})
        context = self.logins.get(key)
        if context is None:
            digest = hashlib.sha256(self.certificate).digest()
            spnego = load("spnego")
            bound = load("spnego.channel_bindings").GssChannelBindings(
                application_data=b"tls-server-end-point:" + digest
            )
            context = self.logins[key] = spnego.server(
                protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate, channel_bindings=bound
            )
        try:
            out = context.step(base64.b64decode(token))
        except (load("spnego.exceptions").SpnegoError, AttributeError) as error:
            # The second where a ticket is for another key: the package asks a context that was never begun.
            self.logins.pop(key, None)
            self.refused += 1
            return web.Response(status=401, headers={"WWW-Authenticate": f"Negotiate{_why(error)}"})
        told = {"WWW-Authenticate": f"{scheme} {base64.b64encode(out).decode()}"} if out else {}
        if not context.complete:
            return web.Response(status=401, headers=told)
        self.logins[key] = True
        self.ways.append(context.negotiated_protocol)
        return told

    async def _answer(self, envelope: ET.Element) -> web.Response:
        action = envelope.findtext("s:Header/wsa:Action", "", _NAMES)
        message = envelope.findtext("s:Header/wsa:MessageID", "", _NAMES)
        body = envelope.find("s:Body", _NAMES)
        assert body is not None
        if action.endswith("transfer/Create"):
            return self._create(action, message, body)
        selected = envelope.findtext(
            "s:Header/wsman:SelectorSet/wsman:Selector[@Name='ShellId']", "", _NAMES
        ).upper()
        shell = self.shells.get(selected)
        if shell is None:
            return _fault(message, _NO_SHELL, "The shell was not found on the server.")
        verb = action.rpartition("/")[2]
        if verb == "Delete":
            del self.shells[selected]
            return _say(f"{action}Response", message, "")
        if verb == "Receive":
            return await self._receive(message, shell, body)
        if verb == "Command":
            line = body.find("rsp:CommandLine", _NAMES)
            assert line is not None
            command = line.attrib["CommandId"].upper()
            shell.pipelines[command] = psrpcore.ServerPipeline(shell.pool, uuid.UUID(command))
            self._feed(shell, line.findtext("rsp:Arguments", "", _NAMES), command)
            told = f"<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>"
            return _say(f"{_SHELL}CommandResponse", message, told)
        if verb == "Signal":
            signal = body.find("rsp:Signal", _NAMES)
            assert signal is not None
            shell.pipelines.pop(signal.attrib["CommandId"].upper(), None)
        if verb == "Send":
            for stream in body.iter(f"{{{_NAMES['rsp']}}}Stream"):
                self._feed(shell, stream.text or "", stream.attrib.get("CommandId"))
        return _say(f"{_SHELL}{verb}Response", message, f"<rsp:{verb}Response/>")

    def _create(self, action: str, message: str, body: ET.Element) -> web.Response:
        described = body.find("rsp:Shell", _NAMES)
        assert described is not None
        identifier = described.attrib["ShellId"].upper()
        shell = self.shells[identifier] = Shell()
        self._feed(shell, described.findtext("ps:creationXml", "", _NAMES), None)
        selector = f'<wsman:Selector Name="ShellId">{identifier}</wsman:Selector>'
        told = (
            "<wst:ResourceCreated><wsa:ReferenceParameters>"
            f"<wsman:SelectorSet>{selector}</wsman:SelectorSet></wsa:ReferenceParameters>"
            f"</wst:ResourceCreated><rsp:Shell><rsp:ShellId>{identifier}</rsp:ShellId></rsp:Shell>"
        )
        return _say(f"{action}Response", message, told)

    async def _receive(self, message: str, shell: Shell, body: ET.Element) -> web.Response:
        wanted = body.find("rsp:Receive/rsp:DesiredStream", _NAMES)
        assert wanted is not None
        command = wanted.attrib.get("CommandId", "").upper() or None
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                while not shell.answers.get(command):
                    shell.told.clear()
                    await shell.told.wait()
        except TimeoutError:
            return _fault(
                message, _TIMED_OUT, "The WS-Management service cannot complete the operation in time."
            )
        pieces = shell.answers.pop(command)
        at = f' CommandId="{command}"' if command else ""
        told = "".join(
            f'<rsp:Stream Name="stdout"{at}>{base64.b64encode(one).decode()}</rsp:Stream>' for one in pieces
        )
        if command and shell.pipelines[command].state.name in _DONE:
            told += f'<rsp:CommandState{at} State="{_SHELL}CommandState/Done"/>'
        return _say(f"{_SHELL}ReceiveResponse", message, f"<rsp:ReceiveResponse>{told}</rsp:ReceiveResponse>")

    def _feed(self, shell: Shell, data: str, command: str | None) -> None:
        pipeline = uuid.UUID(command) if command else None
        shell.pool.receive_data(
            psrpcore.PSRPPayload(base64.b64decode(data), psrpcore.StreamType.default, pipeline)
        )
        while (event := shell.pool.next_event()) is not None:
            if isinstance(event, psrpcore.CreatePipelineEvent):
                task = asyncio.get_running_loop().create_task(
                    self._run(shell, str(event.pipeline_id).upper())
                )
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        shell.pump()

    async def _run(self, shell: Shell, command: str) -> None:
        """One pipeline: nothing but cmdlets with parameters of names."""
        if self.delay:
            await asyncio.sleep(self.delay)
        pipeline = shell.pipelines[command]
        described: Any = pipeline.metadata
        pipeline.start()
        try:
            stages = [_stage(one) for one in described.commands]
            for found in self.windows.run(stages):
                pipeline.write_output(_told(found))
        except RefusedError as error:
            pipeline.write_error(types.NETException(Message=str(error)), fully_qualified_error_id="Refused")
        except Exception as error:  # a fault of these tests' own, which is to be seen where it is asked for
            pipeline.write_error(types.NETException(Message=repr(error)), fully_qualified_error_id="Broken")
            raise
        finally:
            pipeline.complete()
            shell.pump()


def _why(error: BaseException | None) -> str:
    """What Kerberos has to say of a ticket that is refused (KRB-ERROR), as it goes with the header."""
    while error is not None:
        if token := getattr(error, "token", None):
            return f" {base64.b64encode(token).decode()}"
        error = error.__cause__
    return ""


def _stage(command: Any) -> tuple[str, Mapping[str, Any]]:
    if command.is_script:
        raise RefusedError("Script text is not taken.")
    named: dict[str, Any] = {}
    for name, value in command.parameters:
        if not name:
            raise RefusedError("Parameters without names are not taken.")
        named[name] = list(value) if isinstance(value, list) else value
    return command.command_text, named


def _told(found: Any) -> Any:
    """An object as it travels: what it holds of other objects as their titles only."""
    if isinstance(found, str):
        return found
    return types.PSCustomObject(**{name: _value(value) for name, value in found.properties().items()})


def _value(value: object) -> object:
    if isinstance(value, list):
        made = types.PSList(_value(one) for one in value)
        if all(isinstance(one, int) for one in value):
            made.PSObject.type_names = [_INTEGERS, "System.Object"]
        return made
    plain = value is None or isinstance(value, str | int | uuid.UUID)
    return value if plain else type(value).__name__


def _say(action: str, relates: str, body: str, status: int = 200) -> web.Response:
    spaces = " ".join(f'xmlns:{name}="{where}"' for name, where in _NAMES.items())
    text = (
        f"<s:Envelope {spaces}><s:Header><wsa:Action>{action}</wsa:Action><wsa:MessageID>uuid:{uuid.uuid4()}"
        f"</wsa:MessageID><wsa:RelatesTo>{relates}</wsa:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    return web.Response(status=status, text=text, content_type="application/soap+xml")


def _fault(relates: str, code: int, words: str) -> web.Response:
    body = (
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>"
        f'{words}</s:Text></s:Reason><s:Detail><f:WSManFault Code="{code}" Machine="hv1"><f:Message>{words}'
        "</f:Message></f:WSManFault></s:Detail></s:Fault>"
    )
    return _say("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", relates, body, status=500)


@asynccontextmanager
async def listening(remoting: Remoting, context: ssl.SSLContext) -> AsyncIterator[None]:
    """Serve at a port of loopback; the password is in the file that NTLM_USER_FILE names."""
    application = web.Application(client_max_size=64 << 20)
    application.router.add_post("/wsman", remoting.serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    assert site._server is not None
    remoting.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for task in remoting.tasks:
            task.cancel()
        # Clients keep their connections, and would be waited for.
        for handler in runner.server.connections if runner.server is not None else ():
            if handler.transport is not None:
                handler.transport.abort()
        await runner.cleanup()
        await asyncio.sleep(0.05)
