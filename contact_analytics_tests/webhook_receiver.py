"""A receiver of webhooks: a real server on loopback that keeps what it is sent, and answers as it is told."""

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from contact_analytics.lib.webhook import WebhookResource

# What nobody may see: the path is all that keeps strangers from posting.
PARTS = ("T0PLANTEDTEAM", "B0PLANTEDHOOK", "plantedTokenOf24Chars1234")
PATH = f"/services/{'/'.join(PARTS)}"


@dataclass(frozen=True)
class Answer:
    """What the receiver says; the real one of Slack says `ok`."""

    status: int = 200
    body: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class Receiver:
    """The server by its URL, what it will answer next, and the messages that it was sent, refused ones included."""

    url: str
    answers: list[Answer] = field(default_factory=list[Answer])
    always: Answer = field(default_factory=Answer)
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def webhook(self, **fields: Any) -> WebhookResource:
        """The real resource, which posts here and waits for nothing."""
        defaults: dict[str, Any] = {"url": self.url, "retry_wait_seconds": 0}
        return WebhookResource(**(defaults | fields))

    @property
    def text(self) -> str:
        """The one message as people read it."""
        [message] = self.messages
        shown = "\n".join(block["text"]["text"] for block in message["blocks"])
        assert message["text"] == shown
        return shown


@contextmanager
def receiving() -> Generator[Receiver]:
    """A receiver for as long as a test takes."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == PATH
            assert self.headers["Content-Type"] == "application/json"
            receiver.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = receiver.answers.pop(0) if receiver.answers else receiver.always
            body = answer.body.encode()
            self.send_response(answer.status)
            for name, value in {
                "Content-Type": "text/html",
                "Content-Length": str(len(body)),
                **answer.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing: the path is a secret here, too."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}{PATH}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
