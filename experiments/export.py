"""Write a trained network for others: tensors under timm's names, a program for JAX alone, a model card.

    python -m experiments.export runs/cifar/small-mixup -o small-mixup
    python -m experiments.export runs/cifar/small-mixup -o small-mixup-best --seed 2 --checkpoint best
    python -m experiments.export runs/cifar/small-mixup -o gs://BUCKET/small-mixup

The folder holds model.safetensors, model.stablehlo, model.json and README.md, and where timm has the network
config.json; see docs/own-data.md. `mixup_jax.load` and `python -m experiments.predict` take it in place of the run.
"""

import contextlib
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from experiments.commands.errors import call, one_line_errors
from experiments.commands.running import cache_compilations
from mixup_jax.data.files.archives import expand
from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.network import Network, load_network
from mixup_jax.runtime.buckets import check_name, is_bucket, open_bucket, send_folder
from mixup_jax.runtime.json_files import Malformed, parse_json, read_text
from mixup_jax.weights.export import check_names, check_target, write_export
from mixup_jax.weights.exported import DESCRIPTION, is_export

OF_A_NETWORK = ("epoch", *METRICS, "valid_error")
"""What a line of metrics.jsonl says of each network."""


def main(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    output: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")],
    seed: int | None = None,
    alpha: float | None = None,
    checkpoint: Literal["newest", "best"] = "newest",
    checkpoints: str | None = None,
    program: bool = True,
) -> None:
    """Write one network of a finished run on images into a folder.

    Args:
        run: Folder of the run.
        output: The folder to write, also gs://BUCKET/FOLDER; an export that is there is replaced, anything else is
            refused.
        seed: Which network of a run of several seeds; the first if left out.
        alpha: Which networks of a run of several alphas.
        checkpoint: The newest, or the one with the lowest error, mean over all networks of the run: on the validation
            set, where there is one, else on the test set.
        checkpoints: The folder that the run was started with, if any.
        program: Write model.stablehlo; its weights may take 2 GiB at most.
    """
    run = expand(run, "run")
    if is_export(run):
        raise ValueError(f"{run} is an export; give the folder of a run, or copy it.")
    check_name("output", output)
    bucket = open_bucket(output) if is_bucket(output) else None
    if bucket is None:
        check_target(expand(output, "output"))
    else:
        check_names(output, {path.name for path in bucket.iterdir()} | {DESCRIPTION} if bucket.exists() else ())
    cache_compilations()
    network = load_network(run, alpha=alpha, checkpoints=checkpoints, checkpoint=checkpoint)
    seed = network.seeds[0] if seed is None else seed
    if seed not in network.seeds:
        raise ValueError(f"--seed must be one of {run}, {', '.join(map(str, network.seeds))}, got {seed}.")
    if len(network.seeds) > 1:
        print(f"seed {seed} of {len(network.seeds)}; --seed chooses another")
    measured = measured_of(run, network, seed, alpha)
    what = {"index": network.seeds.index(seed), "checkpoint": checkpoint, "measured": measured, "program": program}
    if bucket is None:
        content = write_export(network, expand(output, "output"), **what)
    else:
        with tempfile.TemporaryDirectory() as folder:
            content = write_export(network, Path(folder) / "export", **what)
            send_folder(Path(folder) / "export", bucket, last=DESCRIPTION)
    weights = content["weights"]
    names = "timm's names" if weights["names"] == "timm" else f"names of our own, not for timm: {weights['why']}"
    error = f", test error {measured['test_error']:.2f} %" if "test_error" in measured else ""
    print(f"{output}: {content['model']}, step {network.step:,}{error}; {names}")


def measured_of(run: Path, network: Network, seed: int, alpha: float | None) -> dict[str, Any]:
    """Return what metrics.jsonl says of a network at its step; nothing where no line is of it."""
    assert network.config is not None
    runs = network.config.runs
    index = runs.index((runs[0][0] if alpha is None else alpha, seed))
    found: dict[str, Any] = {}
    for line in read_text(run / "metrics.jsonl").splitlines():
        with contextlib.suppress(Malformed):  # the last line of a process that died may be half
            record = parse_json(line)
            found = record if record.get("step") == network.step else found
    lists = {name: found[name] for name in OF_A_NETWORK if name in found}
    return {
        name: value[index] if isinstance(value, list) and len(value) == len(runs) else value
        for name, value in lists.items()
    }


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.export")
