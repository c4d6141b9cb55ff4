"""Runs as processes of their own, against a sandbox of this one that they reach over loopback."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from time import monotonic, sleep
from typing import Self

import uvicorn

from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics.sandbox.serve import Vendors, environment

PATIENCE = 60
RUN = """
import sys
import dagster as dg
from contact_analytics.definitions import defs

with dg.DagsterInstance.ephemeral() as instance:
    defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["nice_cxone", sys.argv[1]])],
        tags={"dagster/asset_partition_range_start": sys.argv[2], "dagster/asset_partition_range_end": sys.argv[3]},
    )
"""


def until(holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Wait for something that other threads or processes do."""
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline, otherwise()
        sleep(0.01)


@contextmanager
def served(app: NiceCxone) -> Iterator[str]:
    """The sandbox of this process at a port of loopback, by its URL."""
    config = uvicorn.Config(Vendors({"/": app}), http="h11", lifespan="off", log_level="critical", access_log=False)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until(lambda: server.started, lambda: "the sandbox did not start")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


class Launched:
    """A run of an asset over some days."""

    def __init__(self, folder: Path, url: str, name: str, first: date, last: date, **settings: str) -> None:
        self._log = folder / f"{name}.log"
        ours = {
            "CONTACT_ANALYTICS_WAREHOUSE": str(folder / "warehouse.duckdb"),
            "CONTACT_ANALYTICS_ARCHIVE": str(folder / "archive"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN, name, str(first), str(last)],
                env=os.environ | environment(url) | ours | settings,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def kill_when(self, moment: Callable[[], bool]) -> None:
        """Kill it, with no chance to clean up, at a moment that must come before its end."""
        until(lambda: moment() or self.process.poll() is not None, self.log)
        assert self.process.poll() is None, self.log()
        self.process.kill()
        self.process.wait()

    def succeeds(self) -> None:
        assert self.process.wait(PATIENCE) == 0, self.log()

    def log(self) -> str:
        return self._log.read_text()
