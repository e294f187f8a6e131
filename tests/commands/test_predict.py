"""train.py --predict."""

import numpy as np
import pytest
from PIL import Image
from program import error_line, metrics, run, save_image

BEST = "run/best.safetensors"


def test_predictions_are_classes_with_probabilities(trained, pictures):
    files = [pictures / "test" / "red" / "1.png", pictures / "test" / "blue" / "2.png"]
    process = run(trained, "--predict", BEST, *files, "--device", "cpu")
    assert process.returncode == 0, process.stderr
    for line, file in zip(process.stdout.splitlines(), files, strict=True):
        name, _, rest = line.partition(": ")
        ranked = [part.split() for part in rest.split(", ")]
        assert name == str(file)
        assert ranked[0][0] == file.parent.name
        probabilities = [float(probability) for _, probability in ranked]
        assert sorted(probabilities, reverse=True) == probabilities
        assert sum(probabilities) == pytest.approx(1, abs=0.002)


def test_odd_metadata_are_ignored(trained):
    cut_off = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03"  # announces five tags, contains none
    Image.new("RGB", (8, 8), (250, 0, 0)).save(trained / "odd.jpg", exif=cut_off)
    process = run(trained, "--predict", BEST, "odd.jpg", "--device", "cpu")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("odd.jpg: red ")


def test_images_of_any_size_are_scaled_as_in_training(tmp_path):
    """The classes differ only in the middle of the images, red or blue; the sides are green."""
    rng = np.random.default_rng(5)
    for name, colour in (("blue", 2), ("red", 0)):
        (tmp_path / "mine" / name / "deep").mkdir(parents=True)
        for number in range(10):
            height = int(rng.integers(8, 20))
            image = rng.integers(60, size=(height, 4 * height, 3), dtype=np.uint8)
            image[..., 1] = 250
            start = 3 * height // 2
            image[:, start : start + height, 1] = 0
            image[:, start : start + height, colour] = 250
            Image.fromarray(image).save(tmp_path / "mine" / name / "deep" / f"{number}.png")
    network = ("--set", "model.channels=[4]", "model.kernel_sizes=[3]", "model.pool_after=[1]", "algorithm=fft")
    options = (*network, "batch_size=4", "data.size=8", "data.crop=0", "--epochs", "10", "--device", "cpu")
    process = run(tmp_path, "--config", "folder", "--data", "mine", *options, "--out", "run")
    assert process.returncode == 0, process.stderr
    assert metrics(tmp_path / "run")[-1]["test_accuracy"] == 1.0
    assert "data mine: 16 training and 4 test images, 2 classes" in process.stdout
    of_any_size = [f"mine/{name}/deep/{number}.png" for name in ("blue", "red") for number in range(10)]
    process = run(tmp_path, "--predict", "run/best.safetensors", *of_any_size, "--device", "cpu")
    assert process.returncode == 0, process.stderr
    assert [line.split()[1] for line in process.stdout.splitlines()] == ["blue"] * 10 + ["red"] * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--predict", BEST), "--predict: expected a FILE and at least one IMAGE"),
        (("--predict", BEST, "none.png"), "none.png cannot be read"),
        (("--predict", BEST, "large.png"), "large.png is 9x8, expected 8x8"),
        (("--predict", BEST, "run/config.toml"), "run/config.toml cannot be read: its format is not one of JPEG"),
    ],
)
def test_bad_input_is_one_line(trained, arguments, message):
    save_image(trained / "large.png", width=9)
    process = run(trained, *arguments, "--device", "cpu")
    assert message in error_line(process)
