"""An independent client reads the sandbox's conversations: what both understand is the API, not our idea of it.

`lp_api_wrapper` asks for pages of 100 from offset 0, and for cut conversations by their ids, in its own code.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import httpx
import pytest

from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests.fakes import days_ago

wrapper = pytest.importorskip(
    "lp_api_wrapper", reason="needs the package lp_api_wrapper, which not every package index has"
)
requests = pytest.importorskip("requests", reason="needs the package requests, which lp_api_wrapper brings")
DAY = days_ago(9)


class Adapter(requests.adapters.BaseAdapter):
    """A transport of `requests` that ends in an app of this process."""

    def __init__(self, app: LivePersonMessaging) -> None:
        super().__init__()
        self.app = app

    def send(self, request: Any, *_: Any, **__: Any) -> Any:
        asked = httpx.Request(request.method, request.url, headers=dict(request.headers), content=request.body)
        answered = self.app(asked)
        response = requests.Response()
        response.request, response.url = request, request.url
        response.status_code, response._content = answered.status_code, answered.read()
        return response

    def close(self) -> None:
        """Nothing is open."""


def test_an_independent_client_gets_the_same_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page, every conversation, and those that lists cut are whole when asked for by their ids."""
    app = LivePersonMessaging(volume={DAY: 250}, partial=0.05)
    monkeypatch.setattr(requests.Session, "get_adapter", lambda *_, **__: Adapter(app))
    login = wrapper.OAuthLogin(app.account_id, app.app_key, app.app_secret, app.access_token, app.access_token_secret)
    start = datetime.combine(DAY, time(), UTC)
    window = {"from": _milliseconds(start), "to": _milliseconds(start + timedelta(days=1)) - 1}
    types = ["campaign", "messageRecords", "agentParticipants", "transfers", "interactions", "messageStatuses"]
    client = wrapper.MessagingInteractions(login, source="IndependentClient")
    found = client.all_conversations_full({"start": window, "contentToRetrieve": types})
    truth = {record["info"]["conversationId"]: record for record in app.conversations(DAY)}
    assert {record["info"]["conversationId"] for record in found} == truth.keys()
    for record in found:
        assert record["messageRecords"] == truth[record["info"]["conversationId"]]["messageRecords"]
        assert record["transfers"] == truth[record["info"]["conversationId"]]["transfers"]


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
