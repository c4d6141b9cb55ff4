"""The demonstration is apart from what is yours: no setting of a `.env` reaches it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contact_analytics.demo import ROOT, settings_of

URL = "http://127.0.0.1:1"
DOCUMENTED: list[str] = re.findall(r"^([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
# What the demonstration sets that is no path, and what says where the sandbox is, who asks it, and how quick it is.
PLAIN = {"AUTOMATION", "CURRENCY", "START_DATE"}
OF_THE_SANDBOX = re.compile(r"(LIVEPERSON|KHOROS_CARE|NICE_CXONE)_")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demonstration(folder: Path) -> dict[str, str]:
    return settings_of(URL, 0.05, folder)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_documented_setting_is_the_demonstrations_own(
    name: str, demonstration: dict[str, str], folder: Path
) -> None:
    """It is set, be it to nothing, so that a `.env` cannot fill it in; paths are in the demonstration's folder."""
    value = demonstration[name]
    if value and not OF_THE_SANDBOX.match(name):
        assert value.startswith(str(folder)) or name.removeprefix("CONTACT_ANALYTICS_") in PLAIN


def test_the_location_loads_and_reaches_nobody(demonstration: dict[str, str], tmp_path: Path) -> None:
    """Beside a `.env` that sets everything."""
    (tmp_path / ".env").write_text("".join(f"{name}=https://planted.example/{name}\n" for name in DOCUMENTED))
    words = (
        "import os; from contact_analytics.definitions import defs; from contact_analytics import notifications as n; "
        "print([v for v in os.environ.values() if 'planted' in v], defs.resources['warehouse'].publish == '', "
        "defs.resources['webhook'].url == '', n.notify_failures.default_status.value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", words],
        cwd=tmp_path,
        env=os.environ | demonstration | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["[]", "True", "True", "STOPPED"], done.stderr
