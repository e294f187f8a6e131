"""The report of a run, and pages that compare runs. Each is one HTML file without scripts.

    python -m tinyfft.report runs/one runs/two        # prints a table and writes comparison.html

    run = report.read("runs/one")
    files.write_text(run.path / report.NAME, report.run_page(run, findings))

run.py reads a run's folder. findings.py holds the results of the network. charts.py and images.py draw. run_page.py and
comparison.py write the pages. Charts need matplotlib (the extra `report`), which is imported when the first is drawn.
"""

from tinyfft.runs.report.charts import require_matplotlib
from tinyfft.runs.report.comparison import comparison_page, comparison_table
from tinyfft.runs.report.findings import Example, Findings, examples, first_kernels
from tinyfft.runs.report.run import ReportError, Run, read
from tinyfft.runs.report.run_page import run_page

NAME = "report.html"
"""The file name of a run's report in its folder."""

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
