"""Runs: their configuration, their folder, timing and reports."""
