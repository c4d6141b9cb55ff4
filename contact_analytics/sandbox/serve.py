"""The sandbox as a server on loopback, in this process or beside it."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from contact_analytics.sandbox.app import SandboxApp
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.nice_cxone import NiceCxone

App = Callable[[httpx.Request], httpx.Response]


_VIOLATIONS = "/sandbox/violations"
# How much quicker than the vendors the sandbox is served: a month of theirs takes hours.
CALLS_PER_MINUTE, CALL_INTERVAL_SECONDS, POLL_SECONDS = 6000, 0.5, 0.05


def environment(url: str) -> dict[str, str]:
    """The environment variables that point the product at the sandbox, and make it as quick as the sandbox is."""
    of, care, cxone = LivePersonDataAccess, KhorosCare, NiceCxone
    return {
        "LIVEPERSON_ACCOUNT_ID": of.account_id,
        "LIVEPERSON_APP_KEY": of.app_key,
        "LIVEPERSON_APP_SECRET": of.app_secret,
        "LIVEPERSON_ACCESS_TOKEN": of.access_token,
        "LIVEPERSON_ACCESS_TOKEN_SECRET": of.access_token_secret,
        "LIVEPERSON_CLIENT_ID": of.client_id,
        "LIVEPERSON_CLIENT_SECRET": of.client_secret,
        "LIVEPERSON_DATA_ACCESS_URL": url,
        "LIVEPERSON_DOMAIN_URL": url,
        "KHOROS_CARE_URL": f"{url}{care.base_path}",
        "KHOROS_CARE_COMPANY_KEY": care.company_key,
        "KHOROS_CARE_USERNAME": care.username,
        "KHOROS_CARE_PASSWORD": care.password,
        "KHOROS_CARE_CALLS_PER_MINUTE": f"{CALLS_PER_MINUTE}",
        "KHOROS_CARE_POLL_SECONDS": f"{POLL_SECONDS}",
        "NICE_CXONE_URL": url,
        "NICE_CXONE_ACCESS_KEY_ID": cxone.access_key_id,
        "NICE_CXONE_ACCESS_KEY_SECRET": cxone.access_key_secret,
        "NICE_CXONE_ISSUER_URL": url,
        "NICE_CXONE_CALL_INTERVAL_SECONDS": f"{CALL_INTERVAL_SECONDS}",
        "NICE_CXONE_POLL_SECONDS": f"{POLL_SECONDS}",
    }


class Vendors:
    """The vendors' apps as one ASGI application: the app with the longest prefix of the path answers.

    `/sandbox/violations` lists what broke Khoros Care's or NICE CXone's rules; LivePerson has published none.
    """

    def __init__(self, apps: dict[str, App]) -> None:
        all_apps = apps | {_VIOLATIONS: self._violations}
        self._apps = dict(sorted(all_apps.items(), key=lambda item: -len(item[0])))
        self._with_rules = dict.fromkeys(app for app in apps.values() if isinstance(app, SandboxApp))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = await _request(scope, receive)
        app = next((app for prefix, app in self._apps.items() if request.url.path.startswith(prefix)), _nobody)
        try:
            response = await run_in_threadpool(app, request)
        except httpx.TimeoutException:
            while (await receive())["type"] != "http.disconnect":
                pass
        except httpx.TransportError:
            _transport(send).abort()
        else:
            await _send(response, send)

    def _violations(self, _: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[violation for app in self._with_rules for violation in app.violations])


def _nobody(_: httpx.Request) -> httpx.Response:
    return httpx.Response(404, json={"error": "no vendor of the sandbox answers here"})


async def _request(scope: Scope, receive: Receive) -> httpx.Request:
    """The request as the client sent it: the host is the one it asked for, as its signature is made for that."""
    received = Request(scope, receive)
    target = scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
    url = f"{scope['scheme']}://{received.headers['host']}{target}"
    return httpx.Request(received.method, url, headers=scope["headers"], content=await received.body())


async def _send(response: httpx.Response, send: Send) -> None:
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.headers.raw})
    body, whole = b"", True
    try:
        # As it is on the wire: `iter_bytes` would undo its compression.
        for chunk in cast("httpx.SyncByteStream", response.stream):
            body += chunk
    except httpx.TransportError:
        whole = False
    whole = whole and len(body) >= int(response.headers.get("content-length", len(body)))
    await send({"type": "http.response.body", "body": body, "more_body": not whole})
    if not whole:
        _transport(send).close()


def _transport(send: Send) -> Any:
    """The connection itself: ASGI has no word for breaking it, which is what a broken connection needs."""
    return getattr(send, "__self__").transport  # noqa: B009


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve(apps: dict[str, App], port: int, ready: Callable[[str], None], *, with_parent: bool = False) -> None:
    """Serve until interrupted; `with_parent`, until standard input ends, as it does however a parent dies."""
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        Vendors(apps), http="h11", lifespan="off", log_level="critical", access_log=False, proxy_headers=False
    )
    config.timeout_graceful_shutdown = 1
    server = _Server(config, lambda: ready(url))
    if with_parent:
        threading.Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    with listener, contextlib.suppress(KeyboardInterrupt):
        server.run([listener])


def _stop_with_parent(server: uvicorn.Server) -> None:
    while os.read(0, 1024):
        pass
    server.should_exit = True


@contextlib.contextmanager
def running(*, start_seconds: float = 60, **options: object) -> Generator[str]:
    """The sandbox as a process of its own, by its URL; options are those of `python -m contact_analytics.sandbox`.

    `start_seconds` is how long it may take until it answers: what it makes at the start grows with its volume.
    """
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    package_home = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package_home, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(  # noqa: S603 - this package, by this interpreter
        [sys.executable, "-m", "contact_analytics.sandbox", "--port", "0", "--with-parent", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = threading.Timer(start_seconds, process.kill)
    try:
        deadline.start()
        said = process.stdout.readline()
        deadline.cancel()
        if not said.startswith("sandbox ready at "):
            raise RuntimeError(f"the sandbox did not start: {said or 'see its error output'}")
        yield said.removeprefix("sandbox ready at ").strip()
    finally:
        deadline.cancel()
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
