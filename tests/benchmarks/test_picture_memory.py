"""The benchmark of memory with few and many pictures: what it makes, runs and says."""

import sys

import pytest
from PIL import Image

from benchmarks import picture_memory


def test_pictures_are_of_their_size_and_all_differ(tmp_path):
    picture_memory.make_pictures(tmp_path, 40, 16)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len({file.read_bytes() for file in files}) == 40
    assert len({file.relative_to(tmp_path).parts[0] for file in files}) == picture_memory.CLASSES
    for file in files:
        with Image.open(file) as picture:
            assert picture.size == (16, 16)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is counted as on Linux")
def test_a_training_is_measured_and_a_failed_one_said(tmp_path):
    picture_memory.make_pictures(tmp_path / "pictures", 100, 16)
    measured = picture_memory.train(tmp_path, 16)
    assert 30e6 < measured["peak_bytes"] < 1e9
    with pytest.raises(RuntimeError, match="expected at least 4 x 4"):
        picture_memory.train(tmp_path, 2)


def test_the_page_says_how_much_more_the_many_take():
    rows = [
        {"pictures": pictures, "start": start, "seconds": 2.0, "peak_bytes": peak * 1_000_000}
        for pictures, start, peak in (
            *((1000, "first start", 100), (1000, "second start", 90)),
            *((100_000, "first start", 150), (100_000, "second start", 95)),
        )
    ]
    found = {"machine": {"hardware": "a CPU"}, "command": "python -m it", "side": 64, "rows": rows}
    lines = picture_memory.markdown(found).splitlines()
    assert "| 100000 | 1228.8 | first start | 2.0 | 150.0 |" in lines
    assert lines[-2:] == [
        "first start: 100000 pictures take 50.0 MB more than 1000.",
        "second start: 100000 pictures take 5.0 MB more than 1000.",
    ]
