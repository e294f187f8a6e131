"""The report in a real browser. Without a browser the test is skipped, or fails with TINYFFT_REQUIRE_BROWSER."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from made_up_run import LAYERS, findings, history, run
from PIL import Image

from tinyfft.runs import report

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
SIZE = (1200, 2000)


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        leave = pytest.fail if "TINYFFT_REQUIRE_BROWSER" in os.environ else pytest.skip
        leave(f"there is no browser here: none of {', '.join(NAMES)}")
    return found


def test_a_browser_shows_it(browser, tmp_path):
    text = report.run_page(run(history(0.5, 0.75, 0.625)), findings(layers=LAYERS))
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path}/user")
    size, target = "--window-size={},{}".format(*SIZE), f"--screenshot={tmp_path / 'report.png'}"
    command = [browser, *options, size, target, (tmp_path / "report.html").as_uri()]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    image = np.asarray(Image.open(tmp_path / "report.png").convert("RGB"))
    assert image.shape == (SIZE[1], SIZE[0], 3)
    for part in np.array_split(image, 2):
        assert len(np.unique(part.reshape(-1, 3), axis=0)) > 8
