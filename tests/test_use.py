"""train.py --evaluate and --predict: a network that was trained, in use."""

import json

import numpy as np
import pytest
from PIL import Image
from program import TINY, error_line, metrics, network_of, run

BEST = "run/best.safetensors"


@pytest.fixture(scope="session")
def trained(pictures, tmp_path_factory):
    """A folder with a run that tells red from blue."""
    folder = tmp_path_factory.mktemp("trained")
    rate = ("--set", *network_of(4, 4, 4), "optimizer.learning_rate=0.05", "algorithm=fft", "--epochs", "10")
    process = run(folder, "--config", "cifar", "--data", pictures, "--device", "cpu", *TINY, *rate, "--out", "run")
    assert process.returncode == 0, process.stderr
    return folder


def test_evaluation_finds_what_training_found(trained):
    process = run(trained, "--evaluate", "run/checkpoint.safetensors", "--json", "found.json", "--device", "cpu")
    assert process.returncode == 0, process.stderr
    last = metrics(trained / "run")[-1]
    line = f"test accuracy {last['test_accuracy']:.4f}, loss {last['test_loss']:.4f}, 6 pictures of "
    assert process.stdout.splitlines()[-1].startswith(line)
    found = json.loads((trained / "found.json").read_text())
    assert found["accuracy"] == last["test_accuracy"]
    assert found["loss"] == pytest.approx(last["test_loss"], rel=1e-5)
    assert (np.array(found["confusion"]).sum(axis=1) == 3).all()
    assert found["classes"] == ["blue", "red"]
    rows = [line.split() for line in process.stdout.splitlines()[-3:-1]]
    assert rows == [[name, *map(str, row)] for name, row in zip(found["classes"], found["confusion"], strict=True)]


def test_evaluation_of_other_pictures(trained, tmp_path):
    for part, name, colour in (("train", "red", 0), ("train", "blue", 2), ("test", "red", 2), ("test", "blue", 0)):
        picture = np.zeros((8, 8, 3), np.uint8)
        picture[..., colour] = 200
        (tmp_path / "mine" / part / name).mkdir(parents=True)
        Image.fromarray(picture).save(tmp_path / "mine" / part / name / "0.png")
    process = run(trained, "--evaluate", BEST, "--data", tmp_path / "mine", "--device", "cpu")
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1].startswith("test accuracy 0.0000, loss ")  # each is called the other


def test_predictions_are_classes_with_probabilities(trained, pictures):
    files = [pictures / "test" / "red" / "1.png", pictures / "test" / "blue" / "2.png"]
    process = run(trained, "--predict", BEST, *files, "--device", "cpu")
    assert process.returncode == 0, process.stderr
    for line, file in zip(process.stdout.splitlines(), files, strict=True):
        name, _, rest = line.partition(": ")
        ranked = [part.split() for part in rest.split(", ")]
        assert name == str(file)
        assert ranked[0][0] == file.parent.name
        shares = [float(share) for _, share in ranked]
        assert sorted(shares, reverse=True) == shares
        assert sum(shares) == pytest.approx(1, abs=0.002)


def test_odd_metadata_are_passed_over(trained):
    cut_off = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03"  # five tags are announced, and not one is there
    Image.new("RGB", (8, 8), (250, 0, 0)).save(trained / "odd.jpg", exif=cut_off)
    process = run(trained, "--predict", BEST, "odd.jpg", "--device", "cpu")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("odd.jpg: red ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--evaluate", "none.safetensors"), "none.safetensors: No such file or directory"),
        (("--evaluate", BEST, "--data", "nowhere"), "nowhere does not exist"),
        (("--evaluate", BEST, "--epochs", "3"), "--epochs does not go with --evaluate"),
        (("--evaluate", BEST, "--no-graph"), "--graph does not go with --evaluate"),
        (("--predict", BEST), "--predict: expected a FILE and at least one PICTURE"),
        (("--predict", BEST, "none.png"), "none.png cannot be read"),
        (("--predict", BEST, "large.png"), "large.png is 9x8, expected 8x8"),
        (("--predict", BEST, "run/config.toml"), "run/config.toml cannot be read: its format is not one of JPEG"),
    ],
)
def test_bad_input_is_one_line(trained, arguments, message):
    Image.new("RGB", (9, 8)).save(trained / "large.png")
    process = run(trained, *arguments, "--device", "cpu")
    assert message in error_line(process, code=1 if "No such file" in message else 2)


def test_other_classes_are_refused(trained, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "mine" / part / "green").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "mine" / part / "green" / "0.png")
    process = run(trained, "--evaluate", BEST, "--data", tmp_path / "mine", "--device", "cpu")
    assert "the classes of mine are green, expected blue, red" in error_line(process)


def test_pictures_of_any_size_are_treated_as_in_training(tmp_path):
    """A reddish and a bluish kind, whose middle alone says which: the sides are green."""
    rng = np.random.default_rng(5)
    for name, colour in (("blue", 2), ("red", 0)):
        (tmp_path / "mine" / name / "deep").mkdir(parents=True)
        for number in range(10):
            height = int(rng.integers(8, 20))
            picture = rng.integers(60, size=(height, 4 * height, 3), dtype=np.uint8)
            picture[..., 1] = 250
            start = 3 * height // 2
            picture[:, start : start + height, 1] = 0
            picture[:, start : start + height, colour] = 250
            Image.fromarray(picture).save(tmp_path / "mine" / name / "deep" / f"{number}.png")
    network = ("--set", "model.channels=[4]", "model.kernel_sizes=[3]", "model.pool_after=[1]", "algorithm=fft")
    options = (*network, "batch_size=4", "data.size=8", "data.crop=0", "--epochs", "10", "--device", "cpu")
    process = run(tmp_path, "--config", "folder", "--data", "mine", *options, "--out", "run")
    assert process.returncode == 0, process.stderr
    assert metrics(tmp_path / "run")[-1]["test_accuracy"] == 1.0
    assert "data mine: 16 training and 4 test pictures, 2 classes" in process.stdout
    of_any_size = [f"mine/{name}/deep/{number}.png" for name in ("blue", "red") for number in range(10)]
    process = run(tmp_path, "--predict", "run/best.safetensors", *of_any_size, "--device", "cpu")
    assert process.returncode == 0, process.stderr
    assert [line.split()[1] for line in process.stdout.splitlines()] == ["blue"] * 10 + ["red"] * 10
