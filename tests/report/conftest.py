"""Fabricate run folders as docs/design.md describes them. The numbers are invented and prove nothing but the code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SHAPE = {"preact_resnet": 18.0, "mlp": 12.0}


def fabricate(
    folder: Path, *, alpha: float, errors: list[float], epochs: int = 20, done: int | None = None, **changes: Any
) -> Path:
    """Write a run folder whose last test errors are `errors`; with `done` it stops at that epoch, unfinished.

    `changes` replace top-level fields of config.json and result.json (``mark="REAL"``) where they have such a field.
    """
    seeds = changes.pop("seeds", list(range(len(errors))))
    start = {
        "experiment": "cifar",
        "preset": f"small-{'mixup' if alpha else 'erm'}",
        "config": {
            "data": {"dataset": "fashion_mnist", "label_noise": 0.0},
            "model": {"model": "preact_resnet", "width": 16, "blocks": [1, 1, 1]},
            "mixing": {"alpha": alpha, "per": "batch", "partner": "permutation", "block": None},
            "batch_size": 128,
            "epochs": epochs,
            "seed": seeds[0],
            "seeds": len(seeds),
        },
        "versions": {"jax": "0.10.2", "flax": "0.12.9", "python": "3.11.7"},
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "device": "cpu, 2 cores",
        "command": f"python -m experiments.cifar small --mixing.alpha {alpha} --seeds {len(seeds)}",
        "started": "2026-01-02 03:04:05",
    }
    result = {
        **{key: start[key] for key in ("experiment", "preset", "command", "commit", "device", "versions")},
        "method": f"mixup, alpha = {alpha:g}" if alpha else "ERM",
        "model": "preact_resnet",
        "dataset": "fashion_mnist",
        "mark": "SYNTHETIC",
        "seeds": seeds,
        "test_error": {
            "best": [error - 0.2 for error in errors],
            "last": errors,
            "median_last_10": [error + 0.05 for error in errors],
        },
        "test_top5_error": None,
        "test_loss": [0.25] * len(seeds),
        "test_ece": [4.0 if alpha == 0 else 1.5] * len(seeds),
        "test_oe": None,
        "train_subset_error": [0.5 + alpha] * len(seeds),
        "reliability": reliability(len(seeds), 0.06 if alpha == 0 else -0.03),
        "wall_seconds": 754.2,
        "images_per_second": 12345.6,
        "speed": {
            "step_seconds": {"median": 0.0105, "p90": 0.011, "p99": 0.02, "max": 0.5},
            "waiting": 0.02,
            "operations_per_step": 4.3e12,
            "operations_per_second": 4.1e14,
            "flop_utilisation": 0.414,
            "device_memory": 2**35,
            "process_memory": 2**31,
        },
        "params_digest": "5f" * 32,
        "paper": None,
    }
    for key, value in changes.items():
        assert key in start or key in result, key
        start.update({key: value} if key in start else {})
        result.update({key: value} if key in result else {})
    start |= {key: result[key] for key in ("method", "model", "dataset", "mark")}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(start))
    lines = [json.dumps(evaluation(epoch, errors, alpha)) for epoch in range(1, (done or epochs) + 1)]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    if done is None:
        (folder / "result.json").write_text(json.dumps(result))
    return folder


def evaluation(epoch: int, errors: list[float], alpha: float) -> dict[str, Any]:
    """One line of metrics.jsonl."""
    fall = [30 / epoch + 0.4 * np.sin(3 * epoch + seed) for seed in range(len(errors))]
    test_error = [error + far - 1.5 for error, far in zip(errors, fall, strict=True)]
    return {
        "step": 469 * epoch, "epoch": float(epoch), "seconds": 37.7 * epoch, "images_per_second": 12345.6, "lr": 0.1,
        "train_loss": [0.05 + 0.6 * bool(alpha) + 1.2 / (epoch + seed) for seed in range(len(errors))],
        "train_accuracy": [90.0] * len(errors), "train_subset_error": [1.0] * len(errors),
        "test_error": test_error, "test_loss": [0.3] * len(errors), "test_ece": [2.0] * len(errors),
    }  # fmt: skip


def reliability(seeds: int, gap: float) -> dict[str, list[list[float | None]]]:
    """A table of 15 bins, the first two empty, whose calibration error is 100 |gap| where it is not cut off."""
    centre = (np.arange(15) + 0.5) / 15
    count = np.where(np.arange(15) < 2, 0, 10 * np.arange(15) ** 2)
    accuracy = [None, None, *np.clip(centre - gap, 0, 1)[2:].tolist()]
    return {"count": [count.tolist()] * seeds, "confidence": [centre.tolist()] * seeds, "accuracy": [accuracy] * seeds}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """`make_run(name, alpha=..., errors=[...])` writes a run folder below tmp_path / "runs" and returns it."""
    return lambda name, **options: fabricate(tmp_path / "runs" / name, **options)


@pytest.fixture
def two_methods(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """ERM and mixup over three seeds each: the folder that holds both runs."""
    make_run("erm", alpha=0.0, errors=[5.5, 5.6, 5.7])
    make_run("mixup", alpha=1.0, errors=[4.2, 4.2, 4.5])
    return tmp_path / "runs"
