"""A tenant of NICE CXone's sandbox, as a client sees it."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from contact_analytics.sandbox.nice_cxone import NiceCxone

HOST = "https://api-na1.niceincontact.com"
JOBS = "/data-extraction/v1/jobs"
DAY = date(2026, 11, 10)
NEXT = DAY + timedelta(days=1)
KEY = {"accessKeyId": NiceCxone.access_key_id, "accessKeySecret": NiceCxone.access_key_secret}
Table = tuple[list[str], list[dict[str, str]]]


class Tenant:
    """A sandbox with a clock of its own, and a client with a token."""

    def __init__(self, host: str = HOST, **options: Any) -> None:
        self.time = datetime(2026, 11, 25, 12, tzinfo=UTC)
        defaults: dict[str, Any] = {"scale": 0.2, "now": lambda: self.time}
        self.app = NiceCxone(**defaults | options)
        self.http = httpx.Client(transport=httpx.MockTransport(self.app), base_url=host)
        self.sign_in()

    def sign_in(self) -> None:
        token = self.http.post("/authentication/v1/token/access-key", json=KEY).json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def wait(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def post(
        self, entity: str = "qm-workflows", version: str = "3", first: object = DAY, last: object = DAY, where: str = ""
    ) -> httpx.Response:
        body = {"entityName": entity, "version": version, "startDate": str(first), "endDate": str(last)}
        return self.http.post(JOBS + where, json=body)

    def job(self, id: str) -> dict[str, Any]:  # noqa: A002 - the vendor's name
        return self.http.get(f"{JOBS}/{id}").json()["jobStatus"]

    def link(self, *asked: Any) -> str:
        """The link of a new export, as soon as it is done."""
        self.wait(self.app.interval)
        id = self.post(*asked).json()
        while (job := self.job(id))["status"] == "RUNNING":
            self.wait(10)
        return job["result"]["url"]

    def get(self, link: str, **headers: str) -> httpx.Response:
        return httpx.Client(transport=httpx.MockTransport(self.app)).get(link, headers=headers)

    def file(self, *asked: Any) -> httpx.Response:
        return self.get(self.link(*asked))


def table(answer: httpx.Response) -> Table:
    reader = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), strict=True)
    rows = list(reader)
    return list(reader.fieldnames or []), rows
