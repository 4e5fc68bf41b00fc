"""The model card of an export: what the network is, how it was trained, what was measured, how to load it; Markdown."""

import json
from statistics import mean, stdev
from typing import Any

from mixup_jax.runtime.identity import flatten

MARKS = {
    "REAL": "the original data",
    "LOSSY": "a copy of the original data that went through lossy compression",
    "SYNTHETIC": "made-up data: the numbers show that the program works, and nothing else",
}
SHOWN = 10
"""Classes that the card names; model.json has all of them."""


def model_card(content: dict[str, Any]) -> str:
    """Return the card of what model.json describes; it says nothing that is not in `content`.

    The licence is left to whoever publishes it: data and weights may have terms that no file here knows.
    """
    sections = [
        _front_matter(content),
        f"# {content['model']}, {_word(content['results'].get('method', 'trained'))}, on {_dataset(content)}",
        _purpose(content),
        "## Results\n\n" + _results(content),
        "## Training\n\n" + _training(content),
        "## Load it\n\n" + _loading(content),
        "## Limits\n\n" + "\n".join(f"* {each}" for each in _limits(content)),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(content: dict[str, Any]) -> str:
    timm = content["weights"]["names"] == "timm"
    tags = ["image-classification", "jax", "stablehlo", *["timm"] * timm, "mixup"]
    lines = [
        "# license: yours to choose, before you publish this",
        f"library_name: {'timm' if timm else 'jax'}",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in tags),
        "metrics:",
        "- accuracy",
    ]
    return "\n".join(["---", *lines, "---"])


def _purpose(content: dict[str, Any]) -> str:
    height, width, channels = content["image_shape"]
    names = ", ".join(_word(name) for name in content["classes"][:SHOWN])
    rest = len(content["classes"]) - SHOWN
    return (
        f"Classifies uint8 images of {height} x {width} pixels and {channels} channels into {len(content['classes'])} "
        f"classes: {names}{f' and {rest:,} more' if rest > 0 else ''}. "
        f"{content['weights']['parameters']:,} parameters, float32."
    )


def _results(content: dict[str, Any]) -> str:
    measured, mark = content["measured"], content["data"]["mark"]
    if not measured:
        return "The run kept no measurements of this step."
    rows = [(name.replace("_", " "), f"{value:.4g}") for name, value in measured.items() if name != "epoch"]
    lines = ["| of this network | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    errors = content["results"]["test_error"].get("last", [])
    if content["checkpoint"] == "newest" and len(errors) > 1:
        lines.append(f"All {len(errors)} networks of the run: test error {mean(errors):.2f} ± {stdev(errors):.2f} %. ")
    lines.append(
        f"{content['data']['test_count']:,} test images. Errors, ece and oe (calibration errors) are per cent, losses "
        f"nats. Mark {mark}: {MARKS.get(mark, mark)}."
    )
    return "\n".join(lines)


def _training(content: dict[str, Any]) -> str:
    results, data = content["results"], content["data"]
    settings = {name: value for name, value in flatten(content["config"]).items() if value is not None}
    rows = {
        "data": f"{_dataset(content)}, {data['train_count']:,} training images",
        "method": _word(results.get("method", "")),
        "seed, step": f"{content['seed']}, {content['step']:,}",
        "command": f"`{_word(results.get('command', ''))}`",
        "commit": f"{_word(results.get('commit'))}",
        "versions": ", ".join(f"{name} {version}" for name, version in results.get("versions", {}).items()),
        "mean, std of pixels in [0, 1]": f"{_numbers(content['mean'])}; {_numbers(content['std'])}",
        **{f"SHA-256 of {name}": f"`{digest}`" for name, digest in data["digests"].items() if name != "left_out"},
        **({"left out, unreadable": data["digests"]["left_out"]} if "left_out" in data["digests"] else {}),
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]
    options = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    return "\n".join(lines) + f"\nAll settings, from `model.json`:\n\n```\n{options}\n```"


def _loading(content: dict[str, Any]) -> str:
    height, width, channels = content["image_shape"]
    parts = []
    if content["program"]:
        parts.append(
            "In JAX alone (`pip install jax flatbuffers`), any number of images at once:\n\n```python\n"
            "from pathlib import Path\n\nimport numpy as np\nfrom jax import export\n\n"
            'program = export.deserialize(bytearray(Path("model.stablehlo").read_bytes()))\n'
            f"images = np.zeros((2, {height}, {width}, {channels}), np.uint8)\n"
            "probabilities = program.call(images)\n```"
        )
    if content["weights"]["names"] == "timm":
        options = json.dumps(content["weights"]["timm"]["options"])
        parts.append(
            "In PyTorch, by timm (1.0.31 is tested); images are float (n, channels, height, width) in [0, 1], less "
            "`mean`, over `std` of `model.json`:\n\n```python\nimport timm\n\n"
            'model = timm.create_model("local-dir:.", pretrained=True).eval()\n```\n\n'
            f"It is `{content['weights']['timm']['architecture']}` with the options `{options}`."
        )
    parts.append(
        "In mixup-jax, pictures of any size too:\n\n```python\nimport mixup_jax\n\n"
        'network = mixup_jax.load(".")\nprobabilities = network(["a.jpg", "b.png"])\n```'
    )
    return "\n\n".join(parts)


def _limits(content: dict[str, Any]) -> list[str]:
    config, weights = content["config"], content["weights"]
    found = ["Images of other kinds than those of the training are classified too, and no probability says so."]
    if content["checkpoint"] == "best":
        held_out = "valid_error" in content["measured"]
        found.append(
            "The checkpoint was chosen by its error on the validation set."
            if held_out
            else "The checkpoint was chosen by its error on the test set: that error is too low an estimate."
        )
    if weights["names"] != "timm":
        found.append(f"timm cannot load it: {weights['why']}. The tensors have the names of the JAX modules.")
    if config.get("compute_dtype") != "float32":
        found.append(f"It computes in {config['compute_dtype']}; timm in float32, so that logits differ by rounding.")
    if config.get("loss", {}).get("name") == "bce":
        found.append("It was trained with a sigmoid for each class: the probabilities are these and need not sum to 1.")
    if content["program"]:
        found.append(
            "`model.stablehlo` is for " + ", ".join(content["program"]["platforms"]) + "; GPUs and TPUs round products "
            "to fewer bits by default. JAX reads it for half a year at least; `model.safetensors` stays."
        )
    return found


def _dataset(content: dict[str, Any]) -> str:
    return _word(content["results"].get("dataset", content["config"]["data"]["dataset"]))


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _word(text: Any) -> str:
    """Return text of a user's on one line, without what Markdown would take for a table or for code."""
    return " ".join(str(text).replace("|", "/").replace("`", "'").replace("<", "(").replace(">", ")").split())
