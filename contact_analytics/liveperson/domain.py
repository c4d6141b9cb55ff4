"""LivePerson's domain lookup: which host serves an API for an account."""

from contact_analytics.lib.errors import ConfigurationError, RequestRejected, UnexpectedAnswer
from contact_analytics.lib.http import Caller
from contact_analytics.lib.links import check_scheme, followed, same_site, shown


class Domain:
    """The base URLs of an account's services, each looked up once."""

    def __init__(self, caller: Caller, domain_url: str, account_id: str) -> None:
        self._caller, self._domain_url, self._account_id = caller, domain_url, account_id
        self._known: dict[str, str] = {}

    def base_uri(self, service: str) -> str:
        """The base URL of a service such as `msgHist`; a `baseURI` that comes with a scheme is used as it is.

        Credentials are sent there, so it is a sibling of the domain lookup's own host or nothing.
        """
        if service not in self._known:
            self._known[service] = self._looked_up(service)
        return self._known[service]

    def _looked_up(self, service: str) -> str:
        domain_url = check_scheme(self._domain_url, "LIVEPERSON_DOMAIN_URL")
        url = f"{domain_url}/api/account/{self._account_id}/service/{service}/baseURI.json"
        try:
            host = self._caller.get(url, params={"version": "1.0"}).json()["baseURI"]
            link = followed(host if "://" in host else f"https://{host}", domain_url, "LivePerson's domain lookup")
        except RequestRejected as error:
            raise ConfigurationError(
                f"LivePerson knows no service {service} of the account {self._account_id}: {error.happened}",
                "Check LIVEPERSON_ACCOUNT_ID and LIVEPERSON_DOMAIN_URL.",
            ) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnexpectedAnswer(
                f"LivePerson's domain lookup of {service} answered without a baseURI.", "Check LIVEPERSON_DOMAIN_URL."
            ) from error
        if not same_site(link, domain_url):
            raise UnexpectedAnswer(
                f"LivePerson's domain lookup says that {service} is at {shown(link)}, which is not a host of "
                "LivePerson's.",
                "No credentials were sent there. Check LIVEPERSON_DOMAIN_URL.",
            )
        return link.rstrip("/")
