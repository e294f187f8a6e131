"""Recorded results: each page follows from its JSON, and the index names each file."""

import importlib
import json
import re

import pytest
from program import ROOT

RESULTS = ROOT / "benchmarks" / "results"
PAGES = sorted(path.relative_to(RESULTS).as_posix() for path in RESULTS.rglob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_follows_from_the_json(page):
    path = RESULTS / page
    found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    name = re.search(r"-m benchmarks\.(\w+)", found.get("command", "-m benchmarks.operations"))[1]
    text = importlib.import_module(f"benchmarks.{name}").markdown(found)
    assert text == path.read_text(encoding="utf-8")


def test_the_index_links_every_file():
    links = set(re.findall(r"\]\(([^)]+)\)", (RESULTS / "README.md").read_text(encoding="utf-8")))
    files = {path.relative_to(RESULTS).as_posix() for path in RESULTS.rglob("*.*") if path.suffix != ".json"}
    assert {link for link in links if not (RESULTS / link).exists()} == set()
    assert files - links == {"README.md"}
