"""`python -m contact_analytics.sandbox`: the vendors in miniature, until interrupted."""

import argparse
import shlex
import sys
from datetime import UTC, datetime
from typing import Any

from contact_analytics.sandbox.app import utc_now
from contact_analytics.sandbox.khoros_care import STORAGE, KhorosCare
from contact_analytics.sandbox.liveperson import LivePerson
from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics.sandbox.serve import CALL_INTERVAL_SECONDS, CALLS_PER_MINUTE, App, environment, serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m contact_analytics.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="volume: 1 is about 12 MB of files and 350 conversations a day"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed, another data")
    parser.add_argument("--now", type=datetime.fromisoformat, help="stand still at this time, UTC unless it says other")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    options = parser.parse_args()
    now = options.now and (options.now if options.now.tzinfo else options.now.replace(tzinfo=UTC))
    common: dict[str, Any] = {"scale": options.scale, "seed": options.seed, "now": (lambda: now) if now else utc_now}
    liveperson = LivePerson(
        LivePersonDataAccess(**common),
        LivePersonMessaging(**common),
        LivePersonAccountConfig(**common, changing=True),
    )
    khoros_care = KhorosCare(**common, calls_per_minute=CALLS_PER_MINUTE)
    # A little shorter than the client's: requests need not arrive as far apart as they are sent.
    nice_cxone = NiceCxone(**common, interval=CALL_INTERVAL_SECONDS * 0.9)
    apps: dict[str, App] = {"/": liveperson}
    apps |= dict.fromkeys((f"{khoros_care.base_path}/", STORAGE), khoros_care)
    apps |= dict.fromkeys(nice_cxone.prefixes, nice_cxone)
    serve(apps, options.port, _announce, with_parent=options.with_parent)


def _announce(url: str) -> None:
    exports = (f"export {name}={shlex.quote(value)}\n" for name, value in environment(url).items())
    sys.stdout.write(f"sandbox ready at {url}\n{''.join(exports)}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
