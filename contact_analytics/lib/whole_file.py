"""Files that are there whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def whole_file(target: Path) -> Generator[IO[bytes]]:
    """A file that takes its name when it is complete, and is gone if it does not get there; its owner's alone."""
    temporary = target.with_name(f".{uuid4().hex}.part")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
