"""train.py --predict: classify images with the network of a checkpoint."""

import argparse
from pathlib import Path

import numpy as np

from commands.saved_checkpoint import SavedCheckpoint
from datasets import Decoder
from tinyfft.training.evaluation import evaluate, probabilities


def run(options: argparse.Namespace) -> int:
    """Print for each image the classes with their probabilities, the most probable first. Return the exit code."""
    file, *names = options.predict
    saved = SavedCheckpoint.read(file)
    device, network = saved.load_network(options.device)
    d = saved.config.data
    images = Decoder(names, lambda name: Path(name).read_bytes(), d.size, d.fit, shape=saved.data.shape, progress=False)
    loader = saved.make_loader(images.all(), np.zeros(len(names), np.int64), device)
    outputs = evaluate(network, loader.epoch(0), saved.config.evaluation.mirror).outputs
    for name, row in zip(names, probabilities(outputs), strict=True):
        ranked = sorted(zip(row, saved.data.classes, strict=True), key=lambda pair: -pair[0])
        print(f"{name}: " + ", ".join(f"{label} {probability:.3f}" for probability, label in ranked))
    return 0
