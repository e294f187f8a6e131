import dataclasses
import inspect
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import datasets
import models
from tinyfft import optim
from tinyfft.runs.config import (
    CONFIGS,
    Config,
    ConfigError,
    ConvnetModel,
    PaperModel,
    Schedule,
    differing_keys,
    load_config,
    parse_config,
    to_toml,
)
from tinyfft.runs.toml_schema import toml_value


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_cifar_has_the_documented_network_and_training():
    config = load_config("cifar")
    assert dataclasses.astuple(config.model) == ("convnet", (32, 64, 64, 128, 128), (5,) * 5, (1, 3, 5), (), True, 0.0)
    assert (config.epochs, config.batch_size, config.algorithm, config.precision) == (10, 128, "auto", "fp32")
    assert dataclasses.astuple(config.optimizer) == (0.1, 0.9, True, 5e-4)
    assert (config.schedule.kind, config.loss.label_smoothing) == ("one_cycle", 0.1)
    assert dataclasses.astuple(config.data) == ("cifar10", 0, "crop", "refuse", 0.2, 4, True, 0, 1)


def test_folder_accepts_images_of_any_size():
    config = load_config("folder")
    data = config.data
    assert (data.name, data.size, data.fit, data.bad_pictures) == ("folder", 64, "crop", "refuse")
    assert (data.test_fraction, config.validation.fraction) == (0.2, 0.1)
    network = models.build(config, (3, data.size, data.size), 2)
    assert network.forward(np.zeros((1, 3, 64, 64), np.float32)).shape == (1, 2)


def test_paper_is_timed_as_in_the_paper():
    config = load_config("paper")
    assert (config.model.name, config.batch_size, config.precision) == ("paper", 128, "fp32")
    assert (config.timing.input_shape, config.timing.classes) == ((3, 32, 32), 1000)


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load_config(write(tmp_path, "")) == Config()


def test_overrides_are_read_as_toml_and_bare_words_as_strings():
    overrides = ["algorithm=fft", 'precision="tf32"', "model.channels=[4, 5, 6]", "data.flip=false", "seed = 7"]
    config = load_config("cifar", [*overrides, "optimizer.learning_rate=1"])
    assert (config.algorithm, config.precision, config.model.channels) == ("fft", "tf32", (4, 5, 6))
    assert (config.data.flip, config.seed) == (False, 7)
    assert config.optimizer.learning_rate == 1.0
    assert type(config.optimizer.learning_rate) is float


def test_a_later_override_wins():
    assert load_config("cifar", ["epochs=2", "epochs=3"]).epochs == 3


def test_an_override_reaches_a_table_that_the_file_leaves_out(tmp_path):
    assert load_config(write(tmp_path, "epochs = 1"), ["optimizer.momentum=0.5"]).optimizer.momentum == 0.5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "unknown key epoch, did you mean epochs?"),
        ("optimiser.momentum=0.5", "unknown key optimiser, did you mean optimizer?"),
        ("model.chanels=[1, 2, 3]", "unknown key model.chanels, did you mean model.channels?"),
        ("learning_rate=0.1", "unknown key learning_rate, did you mean optimizer.learning_rate?"),
        ("loss.zzzz=1", "unknown key loss.zzzz, expected one of loss.label_smoothing"),
        ("model.name=paper", 'unknown key model.channels: it does not go with model.name = "paper"'),
        ("epochs=many", 'epochs is "many" (a string), expected an integer'),
        ("epochs=2.0", "epochs is 2.0 (a number), expected an integer"),
        ("epochs=true", "epochs is true (true or false), expected an integer"),
        ("data.flip=1", "data.flip is 1 (an integer), expected true or false"),
        ("optimizer.momentum=x", 'optimizer.momentum is "x" (a string), expected a number'),
        ("precision=32", "precision is 32 (an integer), expected a string"),
        ("seed=2020-01-01", "seed is 2020-01-01 (a date or time), expected an integer"),
        ("optimizer=3", "optimizer is 3 (an integer), expected a table"),
        ("model.channels=5", "model.channels is 5 (an integer), expected a list, each entry an integer"),
        ("model.channels=[1, 2, x", 'model.channels is "[1, 2, x" (a string), expected a list'),
        ("model.channels=[1, 2.5, 3]", "model.channels[1] is 2.5 (a number), expected an integer"),
        ("model.channels=[1, 0, 3]", "model.channels[1] is 0, expected at least 1"),
        ("timing.input_shape=[1, 2]", "timing.input_shape has 2 entries, expected 3"),
        ("schedule.milestones=[0.5, 1]", "schedule.milestones[1] is 1.0, expected less than 1"),
        ("batch_size=0", "batch_size is 0, expected at least 1"),
        ("epochs=0", "epochs is 0, expected at least 1"),
        ("seed=-1", "seed is -1, expected at least 0"),
        ("data.size=-1", "data.size is -1, expected at least 0"),
        ("data.size=64.0", "data.size is 64.0 (a number), expected an integer"),
        ("data.fit=pad", 'data.fit is "pad", expected "crop" or "stretch"'),
        ("data.bad_pictures=ignore", 'data.bad_pictures is "ignore", expected "refuse" or "skip"'),
        ("data.test_fraction=0", "data.test_fraction is 0.0, expected more than 0"),
        ("data.test_fraction=1", "data.test_fraction is 1.0, expected less than 1"),
        ("data.workers=-1", "data.workers is -1, expected at least 0"),
        ("data.workers=1.5", "data.workers is 1.5 (a number), expected an integer"),
        ("workers=2", "unknown key workers, did you mean data.workers?"),
        ("arena.limit_bytes=-1", "arena.limit_bytes is -1, expected at least 0"),
        ("arena.limit_bytes=auto", 'arena.limit_bytes is "auto" (a string), expected an integer'),
        ("arena.limit_bytes=1e6", "arena.limit_bytes is 1000000.0 (a number), expected an integer"),
        ("limit_bytes=1", "unknown key limit_bytes, did you mean arena.limit_bytes?"),
        ("optimizer.learning_rate=0", "optimizer.learning_rate is 0.0, expected more than 0"),
        ("optimizer.learning_rate=nan", "optimizer.learning_rate is nan, expected more than 0"),
        ("optimizer.learning_rate=inf", "optimizer.learning_rate is inf, expected a finite number"),
        ("optimizer.momentum=1", "optimizer.momentum is 1.0, expected less than 1"),
        ("schedule.factor=1.5", "schedule.factor is 1.5, expected at most 1"),
        ("precision=fp16", 'precision is "fp16", expected "fp32" or "tf32" or "bf16"'),
        ("model.name=lenet", 'model.name is "lenet", expected "convnet" or "paper"'),
        ("model.name=3", "model.name is 3 (an integer), expected a string"),
        ("data.name=mnist", 'data.name is "mnist", expected "cifar10" or "cifar10-sample" or "folder"'),
        ("optimizer.momentum=0", "optimizer.nesterov is true and optimizer.momentum 0"),
        ("epochs.most=3", "epochs.most: epochs is a single value and has no keys below it"),
        ("seed=1\nepochs=3", r'seed is "1\nepochs=3" (a string), expected an integer'),
        ("epochs", "--set epochs: expected key=value"),
        ("=3", "--set =3: expected key=value"),
        ("optimizer.=3", "--set optimizer.=3: expected key=value"),
    ],
)
def test_a_bad_override_is_named(override, message):
    with pytest.raises(ConfigError) as caught:
        load_config("cifar", [override])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "unknown key epoch, did you mean epochs?"),
        ("[optimizer]\nmomentum = 'x'", 'optimizer.momentum is "x" (a string), expected a number'),
        ("epochs = ", "not valid TOML"),
        ("seed = " + "9" * 5000, "not valid TOML"),
        ("[optimizer]\nlearning_rate = " + "9" * 400, "expected a number"),
    ],
)
def test_a_bad_file_is_named_with_its_path(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_file_that_is_not_text_is_named(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml: not valid TOML"):
        load_config(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load_config(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("name", ["cfar", "", "../configs/cifar"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ConfigError, match=r"unknown config .*, expected one of cifar, .*paper"):
        load_config(name)


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.toml")))
def test_toml_text_reads_back_as_the_same_config(tmp_path, name):
    config = load_config(name, ["optimizer.learning_rate=1e-30", "seed=123456789012345678901234567890"])
    assert load_config(write(tmp_path, to_toml(config))) == config


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_toml_strings_read_back_unchanged(text):
    assert tomllib.loads(f"value = {toml_value(text)}") == {"value": text}


@pytest.mark.parametrize("kind", [ConvnetModel, PaperModel])
def test_model_keys_are_the_arguments_of_the_model(kind):
    parameters = list(inspect.signature(models.MODELS[kind.name]).parameters.values())
    arguments = {p.name: p.default for p in parameters if p.name not in COMMON_ARGUMENTS}
    assert arguments == {key: value for key, value in dataclasses.asdict(kind()).items() if key != "name"}


COMMON_ARGUMENTS = ("input_shape", "classes", "dtype", "precision", "convolution")


def test_every_model_has_its_keys():
    assert set(models.MODELS) == {"convnet", "paper"} == {ConvnetModel.name, PaperModel.name}


def test_data_names_are_those_that_can_be_loaded():
    for name in datasets.NAMES:
        assert load_config("cifar", [f"data.name={name}"]).data.name == name


def test_schedule_keys_have_the_defaults_of_the_schedule():
    expected = {f.name: f.default for f in dataclasses.fields(optim.Schedule) if f.name not in ("peak", "total_steps")}
    assert dataclasses.asdict(Schedule()) == {**expected, "kind": "constant"}


def test_differing_keys_are_those_with_another_value():
    one = parse_config("epochs = 3\n[model]\nname = 'paper'\n")
    other = parse_config("epochs = 3\nseed = 4\n[model]\nname = 'convnet'\nchannels = [1, 2, 3]\n")
    assert differing_keys(one, one) == []
    names = {"seed", "model.name", "model.channels", "model.kernel_sizes", "model.pool_after"}
    names |= {"model.residual_after", "model.global_pool", "model.dropout"}
    assert set(differing_keys(one, other)) == set(differing_keys(other, one)) == names
