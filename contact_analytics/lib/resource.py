"""What every vendor's resource has in common: how its requests travel, and how patient they are."""

from collections.abc import Callable

import dagster as dg
import httpx
from pydantic import Field

from contact_analytics.lib.http import TIMEOUT, RetryRule, quiet_logs


class ApiResource(dg.ConfigurableResource[None]):
    """A vendor's API over httpx. `transport` is the seam at which tests put a server of their own."""

    retry_wait_seconds: float = Field(default=1, ge=0, description="Unit of the waits between tries, in seconds.")

    @property
    def rule(self) -> RetryRule:
        return RetryRule(unit=self.retry_wait_seconds)

    def transport(self) -> httpx.BaseTransport | None:
        """How requests travel, instead of httpx's own way, which goes through the environment's proxies."""
        return None

    def open_client(
        self,
        auth: httpx.Auth | None = None,
        base_url: str = "",
        before_each: Callable[[httpx.Request], None] | None = None,
    ) -> httpx.Client:
        """A client; `before_each` request, retries and those for a token included, a function may wait for its turn."""
        quiet_logs()
        # Plain http is loopback, which no proxy can reach.
        mounts = {"http://": None}
        hooks = {"request": [before_each] if before_each else []}
        return httpx.Client(
            auth=auth,
            base_url=base_url,
            transport=self.transport(),
            mounts=mounts,
            timeout=TIMEOUT,
            event_hooks=hooks,
        )
