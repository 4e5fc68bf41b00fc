"""RandAugment of photographs, images a second and core, and what augmentation adds to a compiled training step.

Photographs are windows of scikit-learn's two, decoded before; processor time of the whole process counts, as in
`benchmarks.input_pipeline`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count, cycle
from typing import Any

import cv2
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.harness.our_training import Training
from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, Steps, add_installed, as_in_runs, repeated, take_turns
from experiments.cifar import SMALL
from mixup_jax.augment.drawn import stages_of
from mixup_jax.augment.on_host import augment_on_host
from mixup_jax.choices import Augment, BigVisionRandAugment, Data, NoAugment, RandAugment, ThreeAugment
from mixup_jax.choices.networks import PreActResNet

SIZE, COUNT, BATCH = 224, 64, 16
MEAN = (0.485, 0.456, 0.406)
TIMM, BIG_VISION = "ours, timm's form", "ours, big_vision's form"
OURS = {TIMM: RandAugment(), BIG_VISION: BigVisionRandAugment(magnitude=9), "ours, 3-Augment": ThreeAugment()}
IN_STEP = {"crop and mirror": NoAugment(), "timm's RandAugment": RandAugment(), "3-Augment": ThreeAugment()}


def measure(effort: Effort) -> list[Table]:
    """Measure both places."""
    return [on_host(effort), in_step(effort)]


def on_host(effort: Effort) -> Table:
    """Compare RandAugment(2, 9) of photographs."""
    images = windows(8 if effort == QUICK else COUNT)
    runs = {name: ours(images, augment) for name, augment in OURS.items()}
    peers = {
        "timm, Pillow, bicubic": (TIMM, partial(in_timm, images, Image.Resampling.BICUBIC)),
        "timm, Pillow, bilinear": (TIMM, partial(in_timm, images, Image.Resampling.BILINEAR)),
        "torchvision v2, tensors": (BIG_VISION, partial(in_torchvision, images, tensors=True)),
        "torchvision v2, Pillow": (BIG_VISION, partial(in_torchvision, images, tensors=False)),
    }
    missing = add_installed(runs, {name: make for name, (_, make) in peers.items()})
    timings = {name: timing.of_processor() for name, timing in take_turns(runs, effort).items()}
    rows = [
        (name, timing.rate(BATCH), timing.over(timings[peers[name][0]]) if name in peers else "")
        for name, timing in timings.items()
    ]
    text = (
        f"RandAugment(2, 9) of photographs of {SIZE} x {SIZE}, decoded; processor time, one thread. Each peer "
        "is compared with the form of ours that applies as many operations and resamples like it, timm's bicubic one "
        "with the bilinear: timm applies each operation with probability 1/2, torchvision and big_vision all, by the "
        f"nearest pixel.{missing}"
    )
    return Table("RandAugment on the host", ("", "images/s and core", "its time over ours"), rows, text)


def in_step(effort: Effort) -> Table:
    """Compare training steps of small images with and without augmentation."""
    config = replace(SMALL, seeds=1, data=Data("cifar10"))
    if effort == QUICK:
        config = replace(config, model=PreActResNet(width=4, blocks=(1,)), batch_size=16)
    runs: dict[str, Steps] = {name: Training(replace(config, augment=augment)) for name, augment in IN_STEP.items()}
    runs["random erasing"] = Training(replace(config, data=replace(config.data, erase=0.25)))
    timings = take_turns(runs, as_in_runs(effort), pause=0.3)
    plain = timings["crop and mirror"]
    rows = [(name, timing.ms(), timing.over(plain)) for name, timing in timings.items()]
    text = (
        f"The step of the small preset, batch {config.batch_size} of 32 x 32 x 3, one seed, as a run takes it, on all "
        "cores, over that with crop and mirror alone."
    )
    return Table("Augmentation in the training step", ("", "ms", "over crop and mirror"), rows, text)


def windows(number: int) -> list[np.ndarray]:
    """Return photographs of 224 x 224 pixels, uint8."""
    cv2.setNumThreads(1)
    generator, found = np.random.default_rng(0), []
    for index in range(number):
        pixels = load_sample_images().images[index % 2]
        top, left = (int(generator.integers(0, side - SIZE + 1)) for side in pixels.shape[:2])
        found.append(np.ascontiguousarray(pixels[top : top + SIZE, left : left + SIZE]))
    return found


def for_each(inputs: list[Any], work: Callable[[Any], Any]) -> Steps:
    """Augment one image after the other; a step is as many as `BATCH`."""
    forever = cycle(inputs)
    return repeated(lambda: [work(next(forever)) for _ in range(BATCH)])


def ours(images: list[np.ndarray], augment: Augment) -> Steps:
    """Return what decoding threads do to each image, its generator included."""
    stages, position = stages_of(augment, 0.0, (SIZE, SIZE), MEAN), count()
    return for_each(images, lambda image: augment_on_host(np.random.default_rng((0, next(position))), image, stages))


def in_timm(images: list[np.ndarray], resample: Image.Resampling) -> Steps:
    """Return timm's; images are Pillow's before and after."""
    import torch
    from timm.data.auto_augment import rand_augment_transform

    torch.set_num_threads(1)
    # The strongest posterize keeps no bit, which Pillow refuses: magnitudes are cut just below it.
    options = {"img_mean": tuple(round(255 * each) for each in MEAN), "interpolation": resample, "magnitude_max": 9.99}
    return for_each(list(map(Image.fromarray, images)), rand_augment_transform("rand-m9-mstd0.5-inc1", options))


def in_torchvision(images: list[np.ndarray], *, tensors: bool) -> Steps:
    """Return torchvision's, on tensors or on Pillow's images."""
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    if tensors:
        return for_each([torch.from_numpy(each).permute(2, 0, 1).contiguous() for each in images], v2.RandAugment(2, 9))
    return for_each(list(map(Image.fromarray, images)), v2.RandAugment(2, 9))
