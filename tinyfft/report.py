"""The public name of tinyfft.runs.report; `python -m tinyfft.report RUN...` compares runs."""

from tinyfft.runs.report import *  # noqa: F403
from tinyfft.runs.report.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
