"""The benchmark of memory with few and many images: its files, its processes and its page."""

import sys

import pytest
from PIL import Image

from benchmarks import image_memory


def test_images_have_the_size_and_all_differ(tmp_path):
    image_memory.make_images(tmp_path, 40, 16)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len({file.read_bytes() for file in files}) == 40
    assert len({file.relative_to(tmp_path).parts[0] for file in files}) == image_memory.CLASSES
    for file in files:
        with Image.open(file) as image:
            assert image.size == (16, 16)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux counts the peak")
def test_a_training_is_measured_and_a_failure_is_an_error(tmp_path):
    image_memory.make_images(tmp_path / "images", 100, 16)
    measured = image_memory.train(tmp_path, 16)
    assert 30e6 < measured["peak_bytes"] < 1e9
    with pytest.raises(RuntimeError, match="expected at least 4 x 4"):
        image_memory.train(tmp_path, 2)


def test_the_page_has_the_difference_between_few_and_many():
    rows = [
        {"images": images, "start": start, "seconds": 2.0, "peak_bytes": peak * 1_000_000}
        for images, start, peak in (
            *((1000, "first start", 100), (1000, "second start", 90)),
            *((100_000, "first start", 150), (100_000, "second start", 95)),
        )
    ]
    found = {"machine": {"hardware": "a CPU"}, "command": "python -m it", "side": 64, "rows": rows}
    lines = image_memory.markdown(found).splitlines()
    assert "| 100000 | 1228.8 | first start | 2.0 | 150.0 |" in lines
    assert lines[-2:] == [
        "first start: 100000 images take 50.0 MB more than 1000.",
        "second start: 100000 images take 5.0 MB more than 1000.",
    ]
