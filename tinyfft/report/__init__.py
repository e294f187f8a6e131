"""What a run did, on one page without scripts that needs no other file; and pages that compare runs.

    python -m tinyfft.report runs/one runs/two        # a table here, and comparison.html

    run = report.read("runs/one")
    files.write_text(run.path / report.NAME, report.run_page(run, findings))

run.py reads a folder, findings.py asks the network, charts.py and pictures.py draw, run_page.py and comparison.py
write. Charts need matplotlib, the extra `report`; nothing here imports it before it draws.
"""

from tinyfft.report.charts import require_matplotlib
from tinyfft.report.comparison import comparison_page, comparison_table
from tinyfft.report.findings import Example, Findings, examples, first_kernels
from tinyfft.report.run import ReportError, Run, read
from tinyfft.report.run_page import run_page

NAME = "report.html"
"""Of a run's page in its folder."""

__all__ = [
    "NAME",
    "Example",
    "Findings",
    "ReportError",
    "Run",
    "comparison_page",
    "comparison_table",
    "examples",
    "first_kernels",
    "read",
    "require_matplotlib",
    "run_page",
]
