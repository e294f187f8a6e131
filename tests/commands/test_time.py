"""train.py --time."""

import json

from program import error_line, network_of

SMALL_TIMING = ("--set", *network_of(2, 2, 2), "batch_size=3", "timing.input_shape=[3,8,8]")


def test_timing_needs_no_data_and_writes_json(train, tmp_path):
    process = train("--config", "cifar", "--time", "--json", "t.json", "--device", "cpu", *SMALL_TIMING)
    assert process.returncode == 0, process.stderr
    report = json.loads((tmp_path / "t.json").read_text())
    assert (report["device"], report["batch_size"], report["precision"]) == ("cpu", 3, "fp32")
    assert len(report["layers"]) == 14
    assert report["layers"][0]["updateGradInput_ms"] is None
    assert all(row["name"] in process.stdout for row in report["layers"])
    assert f"{report['images_per_second']:.1f} images/s" in process.stdout
    assert not (tmp_path / "runs").exists()


def test_a_limit_to_the_arena_is_kept(train, tmp_path):
    options = ("--config", "cifar", "--time", "--json", "t.json", "--device", "cpu", *SMALL_TIMING, "algorithm=fft")
    reports = []
    for limit in (0, 14_000):
        process = train(*options, f"arena.limit_bytes={limit}")
        assert process.returncode == 0, process.stderr
        reports.append(json.loads((tmp_path / "t.json").read_text()))
    free, bounded = ([row for row in report["layers"] if row["algorithm"]] for report in reports)
    assert [row["chunks"] for row in free] == [1, 1, 1]
    assert max(row["chunks"] for row in bounded) > 1
    assert max(row["frequency_bytes"] for row in bounded) <= 14_000 < reports[0]["frequency_bytes"]


def test_a_file_that_cannot_be_written_is_one_line_and_exit_code_1(train, tmp_path):
    (tmp_path / "taken").mkdir()
    process = train("--config", "cifar", "--time", "--device", "cpu", *SMALL_TIMING, "--json", "taken")
    assert error_line(process, code=1) == "taken: Is a directory"
