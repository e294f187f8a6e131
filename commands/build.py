"""The parts of a training, made from its config: device, data, network, loaders, trainer."""

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
from tinyfft.runs.config import Config
from tinyfft.training.trainer import Callback, Trainer


def use_device(name: str, config: Config) -> Device:
    """Select the device named by --device, limit its arena to config.arena.limit_bytes, and return it."""
    try:
        device = tinyfft.use_device(name)
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    except ValueError as error:
        raise UsageError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N") from error
    if config.arena.limit_bytes:
        tinyfft.arena.limit_bytes[device] = config.arena.limit_bytes
    return device


def load_data(config: Config, directory: str | None, display: Any) -> Dataset:
    """Return the images in `directory`, or without one the config's dataset.

    display  a progress.Bars or progress.Lines, which shows messages to the user
    """
    data = datasets.load(config.data.name, directory, folder_options(config), sys.stderr.isatty(), display.write)
    display.write(
        f"data {data.name}: {len(data.train_images)} training and {len(data.test_images)} test images, "
        f"{len(data.classes)} classes"
    )
    return data


def folder_options(config: Config) -> datasets.FolderOptions:
    """Return the config's options for a folder of images."""
    d = config.data
    return datasets.FolderOptions(d.size, d.fit, d.bad_pictures, d.test_fraction, config.seed)


def make_network(config: Config, input_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Return the config's network on the current device. The config's seed determines its initial weights."""
    tinyfft.manual_seed(config.seed)
    try:
        return models.build(config, input_shape, classes)
    except ValueError as error:  # the device lacks the precision, or the images are too small
        raise UsageError(str(error)) from error


def make_loaders(config: Config, device: Device, data: Dataset) -> tuple[Loader, dict[str, Loader]]:
    """Return the training loader and the evaluation loaders: "validation" if the config asks for it, and "test".

    All loaders normalise with the mean and standard deviation of all training images, including the validation images.
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
        # an incomplete minibatch would need its own algorithms, and its step would weigh as much as the others
        drop_last=len(chosen) >= config.batch_size,
        **shared,
    )
    evaluations = {"test": Loader(data.test_images, data.test_labels, **shared)}
    if len(held_out):
        validation = Loader(data.train_images, data.train_labels, chosen=held_out, **shared)
        evaluations = {"validation": validation, **evaluations}
    return train_loader, evaluations


def make_trainer(
    config: Config, network: nn.Sequential, steps_per_epoch: int, display: Any, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """Return a Trainer with the config's loss, optimizer and schedule.

    display  a progress.Bars or progress.Lines
    """
    optimizer = optim.SGD(*network.getParameters(), **vars(config.optimizer))
    total_steps = config.epochs * steps_per_epoch
    schedule = optim.Schedule(
        peak=config.optimizer.learning_rate, total_steps=total_steps, **dataclasses.asdict(config.schedule)
    )
    criterion = nn.CrossEntropyCriterion(label_smoothing=config.loss.label_smoothing)
    options = {"progress": display, "callbacks": callbacks, "mirror": config.evaluation.mirror, "graph": config.graph}
    return Trainer(network, criterion, optimizer, schedule, **options)
