"""The parts of a training as a config describes them: network, data, loaders, trainer."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import datasets
import models
import tinyfft
from commands.errors import UsageError
from datasets import Dataset, Loader
from tinyfft import nn, optim
from tinyfft.backend import Device
from tinyfft.config import Config
from tinyfft.trainer import Callback, Trainer


def use_device(name: str) -> Device:
    """tinyfft.use_device, for the option --device."""
    try:
        return tinyfft.use_device(name)
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    except ValueError as error:
        raise UsageError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N") from error


def prepare(config: Config, device: Device) -> None:
    """Set what counts for the whole process."""
    if config.arena.limit_bytes:
        tinyfft.arena.limit_bytes[device] = config.arena.limit_bytes


def load_data(config: Config, directory: str | None, show: Any) -> Dataset:
    """The pictures, from `directory` if there is one; `show` is told what is worth knowing."""
    data = datasets.load(config.data.name, directory, folder_options(config), sys.stderr.isatty(), show.write)
    show.write(
        f"data {data.name}: {len(data.train_images)} training and {len(data.test_images)} test pictures, "
        f"{len(data.classes)} classes"
    )
    return data


def folder_options(config: Config) -> datasets.FolderOptions:
    """What the config says of folders of pictures."""
    d = config.data
    return datasets.FolderOptions(d.size, d.fit, d.bad_pictures, d.test_fraction, config.seed)


def make_network(config: Config, input_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """The config's network with initial weights from its seed, on the current device."""
    tinyfft.manual_seed(config.seed)
    try:
        return models.build(config, input_shape, classes)
    except ValueError as error:  # a precision that the device lacks, pictures too small
        raise UsageError(str(error)) from error


def make_loaders(config: Config, device: Device, data: Dataset) -> tuple[Loader, dict[str, Loader]]:
    """The loader of the training pictures, and those to evaluate with: "validation", if the config asks for it, "test".

    All are normalised by the statistics of the training pictures, those for validation included.
    """
    mean, std = datasets.channel_statistics(data.train_images)
    shared = {"batch_size": config.batch_size, "device": device, "mean": mean, "std": std}
    shared |= {"workers": config.data.workers}
    chosen, held_out = datasets.stratified_split(data.train_labels, config.validation.fraction, config.seed)
    train_loader = Loader(
        data.train_images,
        data.train_labels,
        shuffle=True,
        crop=config.data.crop,
        flip=config.data.flip,
        cutout=config.data.cutout,
        seed=config.seed,
        chosen=chosen,
        # a last minibatch of another size would have algorithms chosen for it too, and weigh as much as a whole one
        drop_last=len(chosen) >= config.batch_size,
        **shared,
    )
    evaluations = {"test": Loader(data.test_images, data.test_labels, **shared)}
    if len(held_out):
        validation = Loader(data.train_images, data.train_labels, chosen=held_out, **shared)
        evaluations = {"validation": validation, **evaluations}
    return train_loader, evaluations


def make_trainer(
    config: Config, network: nn.Sequential, steps_per_epoch: int, show: Any, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """The Trainer with the config's loss, optimizer and schedule; `show` is a progress.Bars or progress.Lines."""
    o = config.optimizer
    optimizer = optim.SGD(*network.getParameters(), o.learning_rate, o.momentum, o.nesterov, o.weight_decay)
    steps = config.epochs * steps_per_epoch
    schedule = optim.Schedule(peak=o.learning_rate, total_steps=steps, **dataclasses.asdict(config.schedule))
    criterion = nn.CrossEntropyCriterion(label_smoothing=config.loss.label_smoothing)
    settings = {"mirror": config.evaluation.mirror, "graph": config.graph}
    return Trainer(network, criterion, optimizer, schedule, progress=show, callbacks=callbacks, **settings)
