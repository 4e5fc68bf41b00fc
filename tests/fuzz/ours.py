"""Targets that are files of ours: what runs, tables, games, wafer runs and prepared data leave."""

import json
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

from experiments.gan import train as gan_train
from experiments.wafer import run as wafer_run
from experiments.wafer import tables as wafer_tables
from experiments.wafer.config import WaferConfig
from mixup_jax.data.files import tfds as prepared
from mixup_jax.data.imagenet import source as imagenet
from mixup_jax.report.conditions import group, result_tables
from mixup_jax.report.runs import load_runs
from mixup_jax.report.tables import find_tables
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.claim import claimed
from mixup_jax.runtime.claim import read_config as read_configuration

from .damage import NESTED, WHOLE
from .law import Target
from .pictures import shard

MADE = {"command": "python -m experiments.cifar", "commit": "0123abcd", "device": {"platform": "cpu", "count": 1}}
MADE |= {"versions": {"python": "3.11.7", "jax": "0.10.2"}, "started": "2026-11-28T19:16:19Z"}
ORIGIN = {"experiment": "cifar", "preset": "small-mixup", "mark": "REAL", "method": "mixup", "model": "mlp", **MADE}


def plain(content: Any) -> Any:
    """Return a configuration as JSON has it."""
    import dataclasses

    return json.loads(json.dumps(dataclasses.asdict(content)))


def config() -> dict[str, Any]:
    """Return the content of config.json."""
    from mixup_jax.config import Config

    return ORIGIN | {"config": plain(Config())}


def result() -> dict[str, Any]:
    """Return the content of result.json, of two seeds."""
    bins = {name: [[0.1, 0.9]] * 2 for name in ("confidence", "accuracy")} | {"count": [[3, 4]] * 2}
    errors = {name: [5.5, 5.6] for name in ("best", "last", "median_last_10")}
    numbers = {name: [1.5, 1.6] for name in ("test_ece", "test_oe", "test_top5_error", "train_subset_error")}
    paper = {"test_error": 4.2, "source": "table 1"}
    speed = {"step_seconds": {"median": 0.01, "p90": 0.02}, "waiting": 0.1, "device_memory": None}
    numbers |= {"speed": speed}
    return ORIGIN | {"seeds": [0, 1], "test_error": errors, "reliability": bins, "paper": paper} | numbers | {
        "wall_seconds": 10.5, "images_per_second": 1e3, "params_digest": "5f"
    }  # fmt: skip


def metrics() -> bytes:
    """Return the content of metrics.jsonl."""
    names = ("train_loss", "train_accuracy", "train_subset_error", "test_error", "test_loss", "test_ece")
    lines = [{"step": step, "epoch": step / 10, **{name: [1.5] for name in names}} for step in (10, 20, 30)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def table() -> dict[str, Any]:
    """Return the content of table.json."""
    rows = [{"label": "ERM", "values": [[5.5, 5.6], []], "paper": [5.6, None], "group": "", "note": ""}]
    words = ("title", "text", "dataset", "source")
    figures = [{"path": "figures/a.png", "caption": "A"}]
    return ORIGIN | dict.fromkeys(words, "x") | {
        "columns": ["best, %", "last, %"], "rows": rows, "seeds": [0, 1], "figures": figures
    }  # fmt: skip


def wafer() -> dict[str, Any]:
    """Return the content of wafer.json."""
    shares = {"1": 0.5, "mixed": 0.25}
    metric = dict.fromkeys(("exact_match", "hamming", "micro_f1", "macro_f1"), shares)
    scores = dict.fromkeys(("top_1_in_set", "recall_at_k", "known_k_exact"), shares)
    measured = scores | dict.fromkeys(("argmax", "gap", "threshold", "thresholds", "pattern"), metric)
    rules = {"gap": 0.5, "threshold": 0.5, "thresholds": [0.5, 0.25], "empty": False}
    return {"config": plain(WaferConfig()), "defects": ["Ring", "Blob"], "source": "folder:maps", "mixed": "maps"} | {
        "rules": [rules], "measured": [measured], "validated": [measured], "maps_digest": "5f", "mark": "REAL", **MADE
    }  # fmt: skip


def text(*contents: Any) -> list[bytes]:
    """Return files with these contents, and what stands in the place of a whole file."""
    return [*(json.dumps(content, indent=2).encode() for content in contents), *WHOLE, NESTED]


def put(**files: Any) -> Any:
    """Return what writes good files beside the one that is damaged; two underscores stand for a dot."""

    def write(folder: Path) -> None:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            (folder / name.replace("__", ".")).write_bytes(data)

    return write


def read_config(folder: Path) -> None:
    """Read the configuration, and claim the folder for another run."""
    read_configuration(folder)
    defaults = config()["config"]
    claim = claimed(folder / "config.json", config(), defaults=defaults, done=lambda first: False)
    with warnings.catch_warnings(action="ignore"), claim:
        pass


def go_on(folder: Path) -> None:
    """Read the lines that a run goes on from; no line may be lost, damaged or not."""
    there = (folder / "metrics.jsonl").read_bytes().split(b"\n")
    with warnings.catch_warnings(action="ignore"):
        record.read_metrics(folder, 20, ("train_loss",))
    left = b"".join(path.read_bytes() + b"\n" for path in folder.glob("metrics.jsonl*")).split(b"\n")
    assert {line for line in there if line.strip()} <= set(left), "a line is lost"


def report(folder: Path) -> None:
    """Load runs and tables for the report, which skips what it cannot use and says so; put the runs in rows."""
    runs, said = load_runs([folder])
    tables, also = find_tables([folder])
    result_tables(group(runs))
    assert runs or tables or said or also, "nothing is shown and nothing is said"
    assert all(str(folder) in line for line in (*said, *also)), (said, also)


def read_wafer(folder: Path) -> None:
    """Read a run on wafer maps and make its tables."""
    found = {"network": wafer_run.read_run(folder)}
    wafer_tables.main_table("train", found, ())
    wafer_tables.by_number_table("train", found)


def play(folder: Path) -> None:
    """Claim the folder of a game."""
    (folder / "checkpoints").mkdir()
    with mock.patch.object(gan_train, "origin", return_value=dict(MADE)):  # the commit would be asked of git
        claim = gan_train.claimed_by(gan_train.GanConfig(), folder)
    with warnings.catch_warnings(action="ignore"), claim:
        pass


def game() -> dict[str, Any]:
    """Return the content of gan.json."""
    from experiments.commands.settings import settings

    return {"settings": settings(gan_train.GanConfig()), "quality": {"ring": {"ERM": [0.5]}}, **MADE}


MANIFEST = {"images": {"train": 3, "validation": 3}, "skipped": [], "partial": True, "mark": "REAL"}
MANIFEST |= {"shards": {"train": ["train.array_record"], "validation": ["train.array_record"]}}
INFO = {"name": "cifar10", "version": "3.0.2", "fileFormat": "array_record", "splits": []}


def find_prepared(folder: Path) -> None:
    """Look for a prepared data set."""
    prepared.find("cifar10", folder)


TARGETS = [
    Target("config_json", "config.json", lambda: text(config()), read_config),
    Target("config_json_report", "config.json", lambda: text(config()), report, put(result__json=result())),
    Target("result_json", "result.json", lambda: text(result()), record.finished),
    Target("result_json_report", "result.json", lambda: text(result()), report, put(config__json=config())),
    Target("metrics_jsonl", "metrics.jsonl", lambda: [metrics(), *WHOLE], go_on),
    Target("metrics_jsonl_report", "metrics.jsonl", lambda: [metrics(), *WHOLE], report, put(config__json=config())),
    Target("table_json", "table.json", lambda: text(table()), report),
    Target("gan_json", "gan.json", lambda: text(game()), play),
    Target("wafer_json", "wafer.json", lambda: text(wafer()), read_wafer),
    Target(
        "imagenet_json",
        "imagenet.json",
        lambda: text(MANIFEST),
        imagenet.load_imagenet,
        lambda folder: (folder / "train.array_record").write_bytes(SHARD[0]),
        (b"../train.array_record", b"/etc/passwd", b"imagenet.json"),
    ),
    Target("dataset_info_json", "tfds/cifar10/3.0.2/dataset_info.json", lambda: text(INFO), find_prepared),
]
SHARD = shard()
