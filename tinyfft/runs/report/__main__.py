"""Compare runs: python -m tinyfft.report RUN... [--out FILE]."""

import argparse
import sys
from typing import Any

from tinyfft.files import write_text
from tinyfft.runs import report
from tinyfft.training.checkpoint import CheckpointError

PROGRAM = "python -m tinyfft.report"


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """Exit with one line, without argparse's usage text."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")


def main(arguments: list[str] | None = None) -> int:
    """Print the table and write the page. Return the exit code: 0, or 2 for bad input."""
    parser = Parser(prog=PROGRAM, description="Compare runs of train.py.", allow_abbrev=False)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of a run")
    parser.add_argument("--out", metavar="FILE", default="comparison.html", help="the page (default: comparison.html)")
    options = parser.parse_args(arguments)
    try:
        report.require_matplotlib()
        runs = [report.read(folder) for folder in options.runs]
        print(report.comparison_table(runs))
        write_text(options.out, report.comparison_page(runs))
    except (report.ReportError, CheckpointError) as error:
        return _fail(error)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}")
    print(f"\n{options.out} shows their curves")
    return 0


def _fail(error: object) -> int:
    print(f"{PROGRAM}: error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
