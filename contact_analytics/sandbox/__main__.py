"""`python -m contact_analytics.sandbox`: the vendors in miniature, until interrupted."""

import argparse
import shlex
import sys
from datetime import UTC, datetime

from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess, utc_now
from contact_analytics.sandbox.serve import environment, serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m contact_analytics.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--scale", type=float, default=1.0, help="volume: 1 is about 12 MB of records a day")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another data")
    parser.add_argument("--now", type=datetime.fromisoformat, help="stand still at this time, UTC unless it says other")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    options = parser.parse_args()
    now = options.now and (options.now if options.now.tzinfo else options.now.replace(tzinfo=UTC))
    app = LivePersonDataAccess(scale=options.scale, seed=options.seed, now=(lambda: now) if now else utc_now)
    serve({"/": app}, options.port, _announce, with_parent=options.with_parent)


def _announce(url: str) -> None:
    exports = (f"export {name}={shlex.quote(value)}\n" for name, value in environment(url).items())
    sys.stdout.write(f"sandbox ready at {url}\n{''.join(exports)}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
