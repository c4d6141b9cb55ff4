"""Waiting for what other processes do."""

import time
from collections.abc import Callable

import pytest


def until(done: Callable[[], bool], seconds: float, otherwise: Callable[[], object]) -> None:
    """Look until something is done; after some seconds the test has failed, with what `otherwise` says."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(str(otherwise()))
        time.sleep(0.5)
