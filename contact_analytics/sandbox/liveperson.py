"""LivePerson's APIs as one app, at one address."""

import httpx

from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging


class LivePerson:
    """Each request goes to the API whose path it has; tokens and faults are those of all.

    The domain lookup and the token service answer from the first.
    """

    def __init__(
        self, data_access: LivePersonDataAccess, messaging: LivePersonMessaging, account_config: LivePersonAccountConfig
    ) -> None:
        self.data_access, self.messaging, self.account_config = data_access, messaging, account_config
        self._apps = (data_access, messaging, account_config)
        for app in self._apps[1:]:
            app.share(data_access)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        return next((app for app in self._apps if app.segment in parts), self._apps[0])(request)
