"""The public name of tinyfft.runs.timing."""

from tinyfft.runs.timing import Iteration, measure, measure_layers, median_ms, table

__all__ = ["Iteration", "measure", "measure_layers", "median_ms", "table"]
