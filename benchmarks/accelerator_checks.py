"""What `benchmarks.accelerator` asks of the devices, each question in a process of its own.

python -m benchmarks.accelerator_checks resnet50 [--small]       # prints one line of JSON
"""

import dataclasses
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator import Outcome, passed
from benchmarks.harness.our_training import random_images
from experiments.imagenet.presets import PRESETS
from mixup_jax.choices.networks import PreActResNet
from mixup_jax.config import Config
from mixup_jax.models import preact_resnet
from mixup_jax.planning.aot import abstract_batch, asked_flops, identity, lower_step, step_recipe
from mixup_jax.runtime.devices.chips import chip_of
from mixup_jax.runtime.devices.mesh import make_mesh, place, shard
from mixup_jax.steps.state import init_state
from mixup_jax.training.loop import Run

HIGHEST, DEFAULT = 1e-4, 2e-2
"""The most that a float32 step may differ from the CPU's: of TensorFloat-32 or bfloat16 products by default."""
LEAST_MFU, MOST_LOST, MOST_OF_PLAN, MOST_OF_FOUR = 0.15, 0.1, 1.2, 4.2
CHOICE = {"case", "return", "constant", "broadcast_in_dim"}
"""What a choice by platform leaves in a program, with one branch each."""


def devices(small: bool) -> Outcome:
    """Look at what JAX sees; on a CPU only a small run goes on."""
    found, platform = jax.devices(), jax.default_backend()
    kind, chip = found[0].device_kind, chip_of(found[0].device_kind)
    known = "" if chip or platform == "cpu" else "; its limits are not in our table, so there is no MFU"
    text = f"{len(found)} x {kind} ({platform}), jax {jax.__version__}{known}"
    return passed(platform != "cpu" or small, text, kind=kind, count=len(found), platform=platform)


def float32(small: bool, precision: str, tolerance: float) -> Outcome:
    """Take one float32 step on the first device and on the CPU, from the same state."""
    config = _preact(small)
    with jax.default_matmul_precision(precision):
        here, there = (_one_step(config, each) for each in (jax.devices()[0], jax.devices("cpu")[0]))
    pairs = list(zip(*map(jax.tree.leaves, (here, there)), strict=True))
    error = max(float(np.abs(a - b).max()) / max(float(np.abs(b).max()), 1e-3) for a, b in pairs)
    text = f"differs by {error:.1e} of the largest number of an array, at most {tolerance:g}"
    return passed(error <= tolerance, text, error=error)


def resnet50(small: bool) -> Outcome:
    """Train ResNet-50 in bfloat16 on a batch that lies there: speed, and memory against the compiler's plan."""
    config, steps = PRESETS["resnet50-mixup"][1], 3 if small else 100
    each, size, network = (2, 32, {"name": "resnet18", "width": 8}) if small else (128, 224, {})
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, image_size=size),
        model=dataclasses.replace(config.model, **network),
        mixing=dataclasses.replace(config.mixing, block=each),
        batch_size=each * jax.device_count(),
        norm_block=each,
    )
    mesh, lowered = make_mesh(1, config.batch_size), lower_step(config, jax.devices())
    flops = asked_flops(config, jax.device_count()) * jax.device_count() if jax.default_backend() == "gpu" else None
    flops = flops or (lowered.cost_analysis() or {}).get("flops", 0.0)
    step: Any = lowered.compile()
    plan = step.memory_analysis()
    state, batch = _state(config, mesh), _random_batch(config, mesh)
    alpha = place(np.float32(0.2), shard(mesh))
    seconds = 0.0
    for count in (3, steps):  # the first ones warm up
        began = time.perf_counter()
        for _ in range(count):
            state, metrics = step(state, batch, alpha)
        jax.block_until_ready((state, metrics))
        seconds = (time.perf_counter() - began) / count
    chip, device = chip_of(jax.devices()[0].device_kind), jax.devices()[0]
    mfu = flops / jax.device_count() / seconds / chip.flops("bfloat16") if chip else None
    used = (device.memory_stats() or {}).get("peak_bytes_in_use")
    planned = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    planned += plan.temp_size_in_bytes
    rate = config.batch_size / seconds
    told = f"{rate:,.0f} images/s, MFU {'unknown' if mfu is None else f'{mfu:.1%}'}, memory "
    told += "unknown" if used is None else f"{used / planned:.2f} of the plan's {planned / 1e9:.2f} GB"
    good = bool(np.isfinite(metrics["loss"])) and (small or mfu is None or mfu >= LEAST_MFU)
    good = good and (small or used is None or used <= MOST_OF_PLAN * planned)
    return passed(good, told, images_per_second=rate, mfu=mfu, memory=used, planned=planned, seconds=seconds)


def lost(small: bool) -> Outcome:
    """Profile calls of the training program, made as the loop makes them: the share of time in which nothing ran."""
    run = Run(_preact(small), random_images(512), Path("unused"))
    state, _ = run.advance(run.start(), 0, 2)
    jax.block_until_ready(state)
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            pending = None
            for _ in range(3 if small else 20):
                state, bad_step = run.advance(state, 0, 2 if small else 10)
                if pending is not None:
                    np.asarray(pending)
                pending = bad_step
            jax.block_until_ready(state)
        share = _idle(next(Path(folder).rglob("*.xplane.pb")))
    if share is None:
        return Outcome("skipped", "the profile names no program of a device")
    text = f"nothing ran in {share:.1%} of the time, at most {MOST_LOST:.0%}"
    return passed(small or share <= MOST_LOST, text, lost=share)


def seeds(small: bool) -> Outcome:
    """Train four networks at once on one device, and one."""
    times = []
    for count in (1, 4):
        config = dataclasses.replace(_preact(small), seeds=count)
        run, steps = Run(config, random_images(512), Path("unused"), devices=jax.devices()[:1]), 2 if small else 50
        state = run.start()
        for _ in range(2):  # the first call compiles
            began = time.perf_counter()
            state, _ = run.advance(state, 0, steps)
            jax.block_until_ready(state)
            times.append((time.perf_counter() - began) / steps)
    ratio = times[3] / times[1]
    text = f"four at once take {ratio:.2f} times as long as one, at most {MOST_OF_FOUR:g}"
    return passed(small or ratio <= MOST_OF_FOUR, text, ratio=ratio)


def evaluation(small: bool) -> Outcome:
    """Evaluate one network on the first device and on the CPU: whole numbers, so they are equal."""
    found = []
    with jax.default_matmul_precision("highest"):
        for device in (jax.devices()[0], jax.devices("cpu")[0]):
            run = Run(_preact(small), random_images(512, test=1000), Path("unused"), devices=[device])
            state, _ = run.start()
            if found:  # the same network, to the bit
                state = dataclasses.replace(state, params=jax.tree.map(jax.device_put, found[0][1], _shardings(state)))
            sums = run.score(state, run.test)
            found.append(([int(np.sum(sums[name])) for name in ("count", "errors")], jax.device_get(state.params)))
    here, there = (counts for counts, _ in found)
    return passed(here == there, f"{here[1]} of {here[0]} wrong here, {there[1]} of {there[0]} on the CPU")


def convolutions(small: bool) -> Outcome:
    """Compare the step's operations with those of a step that uses the native convolution."""
    ours = _operations(small)
    with patch.object(preact_resnet, "conv_general_dilated", jax.lax.conv_general_dilated):
        native = _operations(small)
    if jax.default_backend() == "cpu":
        return Outcome("skipped", "on a CPU they belong there")
    text = f"{ours['convolution']} convolutions in the program, {native['convolution']} in one of native ones"
    return passed(ours == native, text)


def _preact(small: bool) -> Config:
    base = Config(model=PreActResNet(width=4, blocks=(1,)) if small else PreActResNet(), batch_size=8 if small else 128)
    return dataclasses.replace(base, data=dataclasses.replace(base.data, train_examples=None))


def _one_step(config: Config, device: Any) -> Any:
    run = Run(config, random_images(config.batch_size), Path("unused"), devices=[device])
    (state, totals), _ = run.advance(run.start(), 0, 1)
    return jax.device_get((state.params, totals.loss))


def _shardings(state: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.sharding, state.params)


def _state(config: Config, mesh: Any) -> Any:
    recipe, image = step_recipe(config), jnp.zeros((1, *identity(config).image_shape))
    init = partial(init_state, 0, recipe.model, recipe.optimizer, image, average=recipe.ema > 0)
    return jax.jit(init, out_shardings=shard(mesh))()


def _random_batch(config: Config, mesh: Any) -> Any:
    generator, shapes = np.random.default_rng(0), abstract_batch(config, shard(mesh, "data"))
    most = {"image": 256, "label": 1000}
    return {
        name: place(generator.integers(0, most[name], leaf.shape).astype(leaf.dtype), leaf.sharding)
        for name, leaf in shapes.items()
    }


def _operations(small: bool) -> Counter[str]:
    run = Run(_preact(small), random_images(256), Path("unused"))
    text = run.programs.train.lower(*run.start(), run.alpha, run.train, np.int32(1)).as_text()
    return Counter(name for name in re.findall(r"stablehlo\.(\w+)", text) if name not in CHOICE)


def _idle(profile: Path) -> float | None:
    """Return the share of a profile's time in which the first device did nothing."""
    planes = list(jax.profiler.ProfileData.from_file(str(profile)).planes)
    device = next((each for each in planes if re.match(r"/device:(GPU|TPU):0", each.name)), None)
    lines = list(device.lines) if device else [line for each in planes for line in each.lines if "XLA" in line.name]
    programs = [line for line in lines if line.name == "XLA Modules"]  # a TPU's; a GPU has streams of kernels
    lines = programs or [line for line in lines if line.name.startswith("Stream")] or lines
    return idle([(each.start_ns, each.start_ns + each.duration_ns) for line in lines for each in line.events])


def idle(events: list[tuple[float, float]]) -> float | None:
    """Return the share of time, from the first start to the last end, in which nothing ran; None without events.

    >>> idle([(0, 4), (1, 2), (3, 5), (6, 8)])
    0.125
    """
    if not events:
        return None
    first = end = min(start for start, _ in events)
    busy = 0.0
    for start, stop in sorted(events):
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return 1 - busy / (end - first)


CHECKS: dict[str, Callable[[bool], Outcome]] = {
    "devices": devices,
    "float32-highest": partial(float32, precision="highest", tolerance=HIGHEST),
    "float32-default": partial(float32, precision="default", tolerance=DEFAULT),
    "resnet50": resnet50,
    "lost": lost,
    "seeds": seeds,
    "evaluation": evaluation,
    "convolutions": convolutions,
}

if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(CHECKS[sys.argv[1]]("--small" in sys.argv[2:]))))
