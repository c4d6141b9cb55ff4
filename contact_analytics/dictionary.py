"""The command that writes `docs/dictionary.md`, or says whether it is current."""

import argparse
import sys
from pathlib import Path

from contact_analytics.lib.dictionary import markdown

PATH = Path(__file__).parents[1] / "docs" / "dictionary.md"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m contact_analytics.dictionary", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the file is not current")
    checking: bool = parser.parse_args(arguments).check

    from contact_analytics.catalog import DATASETS, DIMENSIONS, REPORTS

    tables = [*DATASETS, *DIMENSIONS, *REPORTS]
    text = markdown(tables)
    if not checking:
        PATH.write_text(text, encoding="utf-8")
        print(f"Wrote {len(tables)} tables to docs/{PATH.name}.")
    elif not PATH.exists() or PATH.read_text(encoding="utf-8") != text:
        print(f"docs/{PATH.name} does not say what the schemas say. Run: make dictionary", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
