"""RandAugment of photographs, images a second and core, and what augmentation adds to a compiled training step.

    python -m benchmarks.augmentation              # pip install torch torchvision timm for peers

Photographs are windows of scikit-learn's two, decoded before; processor time of the whole process counts, as in
`benchmarks.input_pipeline`.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.harness.our_training import training
from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import aim
from benchmarks.harness.turns import QUICK, Effort, Steps, Timing, as_in_runs, import_torch, spread, take_turns
from experiments.cifar import SMALL
from mixup_jax.augment.drawn import stages_of
from mixup_jax.augment.on_host import augment_on_host
from mixup_jax.choices import Augment, BigVisionRandAugment, Data, NoAugment, RandAugment, ThreeAugment
from mixup_jax.choices.networks import PreActResNet

SIZE, COUNT, BATCH, BOUND = 224, 64, 16, 2.0
MEAN = (0.485, 0.456, 0.406)
OURS = {
    "ours, timm's form": RandAugment(),
    "ours, big_vision's form": BigVisionRandAugment(magnitude=9),
    "ours, 3-Augment": ThreeAugment(),
}
LIKE = {
    "timm, Pillow, bicubic": "ours, timm's form",
    "timm, Pillow, bilinear": "ours, timm's form",
    "torchvision v2, tensors": "ours, big_vision's form",
    "torchvision v2, Pillow": "ours, big_vision's form",
}
"""Of each peer the contestant of ours that does as much, as it does it: torchvision applies every operation that it
draws, and takes the nearest pixel."""
AIMED = ("timm, Pillow, bicubic", "timm, Pillow, bilinear", "torchvision v2, tensors")
IN_STEP = {"crop and mirror": NoAugment(), "timm's RandAugment": RandAugment(), "3-Augment": ThreeAugment()}


def measure(effort: Effort) -> list[Table]:
    """Measure both places."""
    return [on_host(effort), in_step(effort)]


def on_host(effort: Effort) -> Table:
    """Compare RandAugment(2, 9) of photographs."""
    images = windows(8 if effort == QUICK else COUNT)
    runs: dict[str, Steps] = {name: ours(images, augment) for name, augment in OURS.items()}
    others, missing = peers(images)
    timings = take_turns(runs | others, effort)
    rows, ratios = [], {}
    for name, timing in timings.items():
        ratio = ""
        if name in LIKE:
            own = timings[LIKE[name]]
            pairs = zip(timing.processor, own.processor, strict=True)
            ratios[name] = [theirs / mine for theirs, mine in pairs]
            ratio = spread(ratios[name])
        rows.append((name, rate(timing), ratio))
    aimed = {name: ratios[name] for name in AIMED if name in ratios}
    verdict = f"{aim(aimed, BOUND, least=True)} " if aimed else ""
    text = (
        f"{verdict}RandAugment(2, 9) of photographs of {SIZE} x {SIZE}, decoded; processor time, one thread. Each peer "
        "is compared with the form of ours that applies as many operations and resamples like it, timm's bicubic one "
        "with the bilinear: timm applies each operation with probability 1/2, torchvision and big_vision all, by the "
        "nearest pixel." + (f" Not installed: {'; '.join(missing)}." if missing else "")
    )
    return Table("RandAugment on the host", ("", "images/s and core", "its time over ours"), rows, text)


def in_step(effort: Effort) -> Table:
    """Compare training steps of small images with and without augmentation."""
    config = replace(SMALL, seeds=1, data=Data("cifar10"))
    if effort == QUICK:
        config = replace(config, model=PreActResNet(width=4, blocks=(1,)), batch_size=16)
    runs: dict[str, Steps] = {name: training(replace(config, augment=augment)) for name, augment in IN_STEP.items()}
    runs["random erasing"] = training(replace(config, data=replace(config.data, erase=0.25)))
    timings = take_turns(runs, as_in_runs(effort), pause=0.3)
    plain = timings["crop and mirror"]
    rows = [
        (name, timing.ms(), "" if timing is plain else spread([100 * (1 - 1 / each) for each in timing.ratios(plain)]))
        for name, timing in timings.items()
    ]
    text = (
        f"The step of the small preset, batch {config.batch_size} of 32 x 32 x 3, one seed, as a run takes it, on all "
        "cores. The share is that of the step's time which goes into what is added to crop and mirror."
    )
    return Table("Augmentation in the training step", ("", "ms", "% of the step"), rows, text)


def windows(count: int) -> list[np.ndarray]:
    """Return photographs of 224 x 224 pixels, uint8."""
    cv2.setNumThreads(1)
    generator, found = np.random.default_rng(0), []
    for index in range(count):
        pixels = load_sample_images().images[index % 2]
        top, left = (int(generator.integers(0, side - SIZE + 1)) for side in pixels.shape[:2])
        found.append(np.ascontiguousarray(pixels[top : top + SIZE, left : left + SIZE]))
    return found


def rate(timing: Timing) -> str:
    """Return images a second of processor time."""
    return spread([BATCH / each for each in timing.processor])


def for_each(inputs: list[Any], work: Callable[[Any, int], Any]) -> Steps:
    """Augment one image after the other; a step is as many as `BATCH`."""
    at = iter(range(2**62))

    def run(count: int) -> None:
        for _ in range(count * BATCH):
            position = next(at)
            work(inputs[position % len(inputs)], position)

    return run


def ours(images: list[np.ndarray], augment: Augment) -> Steps:
    """Return what decoding threads do to each image, its generator included."""
    stages = stages_of(augment, 0.0, (SIZE, SIZE), MEAN)
    return for_each(
        images, lambda image, position: augment_on_host(np.random.default_rng((0, position)), image, stages)
    )


def peers(images: list[np.ndarray]) -> tuple[dict[str, Steps], list[str]]:
    """Return what others have and is installed, and the names of what is not."""
    runs, missing, torch = {}, [], import_torch()
    if not torch:
        return runs, ["PyTorch"]
    torch.set_num_threads(1)
    for name, make in (("timm", in_timm), ("torchvision", in_torchvision)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                runs |= make(torch, images)
        except (ImportError, RuntimeError):  # a torchvision built for another PyTorch raises the second
            missing.append(name)
    return runs, missing


def in_timm(torch: Any, images: list[np.ndarray]) -> dict[str, Steps]:
    """Return timm's; images are Pillow's before and after."""
    from timm.data.auto_augment import rand_augment_transform

    pictures = [Image.fromarray(image) for image in images]
    fill = tuple(round(255 * each) for each in MEAN)
    runs = {}
    for name, resample in (("bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.Resampling.BILINEAR)):
        # The strongest posterize keeps no bit, which Pillow refuses: magnitudes are cut just below it.
        options = {"img_mean": fill, "interpolation": resample, "magnitude_max": 9.99}
        transform = rand_augment_transform("rand-m9-mstd0.5-inc1", options)
        runs[f"timm, Pillow, {name}"] = for_each(pictures, lambda picture, _, made=transform: made(picture))
    return runs


def in_torchvision(torch: Any, images: list[np.ndarray]) -> dict[str, Steps]:
    """Return torchvision's, on tensors and on Pillow's images."""
    from torchvision.transforms import v2

    transform = v2.RandAugment(2, 9)
    tensors = [torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in images]
    pictures = [Image.fromarray(image) for image in images]
    return {
        "torchvision v2, tensors": for_each(tensors, lambda image, _: transform(image)),
        "torchvision v2, Pillow": for_each(pictures, lambda image, _: transform(image)),
    }


if __name__ == "__main__":
    alone(measure)
