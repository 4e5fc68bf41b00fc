"""Laws of a run's folder: it belongs to one run, from the first thing trained there on, whatever was asked before."""

import contextlib
import json
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import PIL
import pytest
from tiny_runs import DATA, MLP, changed

from experiments import cifar
from mixup_jax.config import usual
from mixup_jax.runtime import claim
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.claim import claimed, read_config, read_identity
from mixup_jax.runtime.identity import plain
from mixup_jax.runtime.provenance import describe

HERE = describe(MLP, "cifar", "small", DATA.identity())
RESULT = {name: HERE[name] for name in record.MADE_BY} | {"seeds": [0], "test_error": {"last": [5.0]}}


FLAT = {  # of MLP, as it was written before choices were types
    "data": {"dataset": "digits", "pad_crop": 1, "image_size": 224},
    "model": {"model": "mlp", "width": 12, "blocks": None, "variant": "H", "compute_dtype": "float32"},
    "mixing": {"method": "mixup", "alpha": 1.0, "alphas": [], "cutmix_alpha": 1.0, "mix": "spectrogram"},
    "optimizer": {"optimizer": "sgd", "lr": 0.05, "schedule": "cosine", "decay_epochs": [100, 150], "ema": 0.0},
    "batch_size": 16,
    "epochs": 4.0,
}


def take(folder, here=HERE, defaults=None):
    """Claim a folder and give it up at once; return what is said of its run."""
    options = {"defaults": plain(usual(MLP)) if defaults is None else defaults}
    with claimed(folder / "config.json", here, **options, done=lambda _: record.finished(folder) is not None) as first:
        return first


def begin(folder):
    """Leave a checkpoint."""
    (folder / "checkpoints" / "3").mkdir(parents=True)


def rewrite(folder, **parts):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **parts}))


def stored(folder):
    return json.loads((folder / "config.json").read_text())


def test_a_folder_is_claimed_once_and_again_by_the_same_run(tmp_path):
    first = take(tmp_path / "run")
    assert take(tmp_path / "run", HERE | {"started": "later"}) == first == stored(tmp_path / "run")
    assert first["config"] == plain(MLP)


def test_another_configuration_is_refused_with_the_fields_that_differ_and_no_others(tmp_path):
    take(tmp_path)
    begin(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    other = changed(MLP, alpha=0.25, lr=0.5, seeds=2)
    with pytest.raises(ValueError, match="holds a run of another configuration") as refused:
        take(tmp_path, describe(other, "cifar", "small", DATA.identity()))
    message = str(refused.value)
    assert "mixing.alpha is 1.0 there and 0.25 here" in message
    assert "optimizer.lr is 0.05 there and 0.5 here" in message
    assert "seeds is 1 there and 2 here" in message
    assert message.count(" there and ") == 3
    assert (tmp_path / "config.json").read_bytes() == before


DIFFERENT = {
    "an image": ({"test_image": DATA.test_image + 1}, "digests.test_image"),
    "labels": ({"train_label": DATA.train_label[::-1].copy()}, "digests.train_label"),
    "names swapped": ({"classes": ("b", "a", "c")}, r"classes\[0\] is a there and b here"),
    "fewer images": (
        {"test_image": DATA.test_image[:9], "test_label": DATA.test_label[:9]},
        "test_count is 29 there and 9",
    ),
    "normalisation": ({"mean": (0.5,)}, "mean is"),
    "where from": ({"mark": "LOSSY"}, "mark is SYNTHETIC there and LOSSY here"),
}


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("name", DIFFERENT)
def test_other_data_are_refused_with_what_differs_for_a_run_begun_or_finished(tmp_path, name, finished):
    fields, message = DIFFERENT[name]
    take(tmp_path)
    write_json(tmp_path / "result.json", RESULT) if finished else begin(tmp_path)
    other = describe(MLP, "cifar", "small", replace(DATA, **fields).identity())
    with pytest.raises(ValueError, match=f"holds a run on other data: .*{message}"):
        take(tmp_path, other)


@pytest.mark.parametrize(
    ("option", "value"),
    {"enable_x64": True, "default_matmul_precision": "bfloat16", "random_seed_offset": 1, "disable_jit": True}.items(),
)
def test_other_settings_of_jax_are_refused(tmp_path, option, value):
    take(tmp_path)
    begin(tmp_path)
    before = getattr(jax.config, f"jax_{option}")
    try:
        jax.config.update(f"jax_{option}", value)
        with pytest.raises(ValueError, match=f"under other settings of JAX: {option} is {before} there and {value}"):
            take(tmp_path, describe(MLP, "cifar", "small", DATA.identity()))
    finally:
        jax.config.update(f"jax_{option}", before)


def test_flags_of_xla_are_settings_but_not_the_number_of_devices(tmp_path, monkeypatch):
    take(tmp_path)
    begin(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2")
    take(tmp_path, describe(MLP, "cifar", "small", DATA.identity()))
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_cpu_enable_fast_math=true")
    with pytest.raises(ValueError, match=r"XLA_FLAGS is .* there and .*fast_math=true.* here"):
        take(tmp_path, describe(MLP, "cifar", "small", DATA.identity()))


def test_a_generator_that_makes_seeds_alike_is_refused():
    try:
        jax.config.update("jax_default_prng_impl", "rbg")
        with pytest.raises(ValueError, match=r"jax_default_prng_impl is rbg.* unset JAX_DEFAULT_PRNG_IMPL"):
            describe(MLP, "cifar", "small", DATA.identity())
    finally:
        jax.config.update("jax_default_prng_impl", "threefry2x32")


def test_going_on_with_other_code_is_said_and_recorded_once(tmp_path):
    take(tmp_path)
    begin(tmp_path)
    other = HERE | {"commit": "another", "versions": HERE["versions"] | {"jaxlib": "9.9"}, "started": "later"}
    for _ in range(2):
        with pytest.warns(UserWarning, match="commit is .* at its start and another now; .*jaxlib is .* and 9.9 now"):
            first = take(tmp_path, other)
    assert first["commit"] == HERE["commit"]
    assert [(each["commit"], each["started"]) for each in first["continued"]] == [("another", "later")]
    assert [each["commit"] for each in take(tmp_path)["continued"]] == ["another", HERE["commit"]]


def test_going_on_with_other_devices_is_said_and_recorded(tmp_path):
    take(tmp_path)
    begin(tmp_path)
    other = HERE | {"device": HERE["device"] | {"count": 4}}
    with pytest.warns(UserWarning, match="goes on with other devices: device.count is 8 at its start and 4 now"):
        assert [each["device"]["count"] for each in take(tmp_path, other)["continued"]] == [4]


def test_fields_that_an_older_run_did_not_have_are_their_defaults(tmp_path):
    take(tmp_path)
    config = stored(tmp_path)["config"]
    for part, name in (("optimizer", "nesterov"), ("mixing", "block"), ("data", "noise")):
        del config[part][name]
    del config["eval_every"], config["ema"]
    rewrite(tmp_path, config=config)
    write_json(tmp_path / "result.json", RESULT)
    take(tmp_path)
    assert read_config(tmp_path) == MLP
    with pytest.raises(ValueError, match=r"another configuration: ema is 0.0 there and 0.5 here\. "):
        take(tmp_path, describe(changed(MLP, ema=0.5), "cifar", "small", DATA.identity()))


def test_a_run_of_before_choices_were_types_is_read_and_goes_on(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(HERE | {"version": 2, "config": FLAT}))
    begin(tmp_path)
    assert read_config(tmp_path) == MLP
    take(tmp_path)
    assert stored(tmp_path)["version"] == claim.VERSION
    assert read_config(tmp_path) == MLP


def test_a_record_of_version_1_is_the_preset_that_it_names():
    for name in ("erm", "mixup"):
        config = read_config(Path(cifar.__file__).parents[1] / f"docs/evidence/e0/fashion_mnist/small-{name}/0")
        preset = cifar.PRESETS[f"small-{name}"][1]
        data = replace(preset.data, train_examples=config.data.train_examples, train_subset=config.data.train_subset)
        assert config == replace(preset, data=data, seed=config.seed, seeds=config.seeds)


@pytest.mark.parametrize("part", [{"model": {"model": "resnet"}}, {"mixing": 3}, {"optimizer": {"decay_epochs": "x"}}])
def test_a_run_of_before_choices_were_types_that_cannot_be_read_is_refused_in_one_line(tmp_path, part):
    (tmp_path / "config.json").write_text(json.dumps(HERE | {"version": 2, "config": FLAT | part}))
    with pytest.raises(ValueError, match="version 2 of the file and cannot be read here") as error:
        take(tmp_path)
    assert "\n" not in str(error.value)


def test_fields_that_nobody_knows_are_named(tmp_path):
    take(tmp_path)
    begin(tmp_path)
    config = stored(tmp_path)["config"]
    config["optimizer"]["sharpness"] = 0.5
    rewrite(tmp_path, config=config)
    with pytest.raises(ValueError, match=r"optimizer.sharpness is 0.5 there and absent here"):
        take(tmp_path)
    with pytest.raises(ValueError, match=r"has optimizer\.sharpness, which this version of the code does not know"):
        read_config(tmp_path)


def test_an_older_run_that_says_nothing_of_its_data_is_accepted_with_a_warning_and_says_it_from_then_on(tmp_path):
    older = {name: part for name, part in HERE.items() if name not in ("data", "jax")} | {"config": FLAT}
    tmp_path.joinpath("config.json").write_text(json.dumps(older))
    begin(tmp_path)
    assert read_identity(tmp_path) is None
    with pytest.warns(UserWarning, match="written before data and jax were part of it"):
        take(tmp_path)
    assert read_identity(tmp_path) == DATA.identity()
    take(tmp_path)


def test_a_folder_of_later_code_is_refused(tmp_path):
    take(tmp_path)
    rewrite(tmp_path, version=claim.VERSION + 1)
    for read in (take, read_config):
        with pytest.raises(ValueError, match=f"written by a later version.*{claim.VERSION} is known here"):
            read(tmp_path)


@pytest.mark.parametrize("leftover", ["nothing", "an empty folder", "a checkpoint of which only a part was written"])
def test_where_nothing_was_trained_a_corrected_configuration_takes_the_folder(tmp_path, leftover):
    take(tmp_path, describe(changed(MLP, batch_size=12), "cifar", "small", DATA.identity()))
    if leftover != "nothing":
        part = "3.orbax-checkpoint-tmp-0" if "part" in leftover else ""
        (tmp_path / "checkpoints" / part).mkdir(parents=True)
    take(tmp_path)
    assert read_config(tmp_path) == MLP


def test_a_run_that_ends_before_anything_is_trained_leaves_no_claim(tmp_path):
    run = tmp_path / "run"

    def fail(*parts):
        with (
            contextlib.suppress(KeyboardInterrupt),
            claimed(run / "config.json", HERE, defaults={}, done=lambda _: False),
        ):
            (run / "checkpoints" / "ring" / "/".join(parts)).mkdir(parents=True)
            raise KeyboardInterrupt

    fail()
    assert not run.exists()
    fail("7", "tree")
    assert stored(run)["config"] == plain(MLP)


def test_a_checkpoint_elsewhere_is_a_run_begun(tmp_path):
    take(tmp_path)
    (tmp_path / "elsewhere" / "3").mkdir(parents=True)
    other = describe(MLP, "cifar", "small", replace(DATA, mark="REAL").identity())
    options = {"defaults": {}, "checkpoints": tmp_path / "elsewhere", "done": lambda _: False}
    with pytest.raises(ValueError, match="other data"), claimed(tmp_path / "config.json", other, **options):
        pass


def test_a_result_without_a_description_is_nobodys(tmp_path):
    write_json(tmp_path / "result.json", RESULT)
    with pytest.raises(ValueError, match=r"holds a result without config\.json"):
        take(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"config": 3}', "{}", "null", "[" * 100_000])
def test_a_file_that_is_no_description_is_refused_and_kept(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    for read in (take, read_config, read_identity):
        with pytest.raises(ValueError, match=r"config\.json is not the description of a run"):
            read(tmp_path)
    assert (tmp_path / "config.json").read_text() == text


def test_the_description_names_versions_device_and_command():
    assert HERE["versions"]["jax"] == jax.__version__
    assert HERE["versions"]["pillow"] == PIL.__version__  # as what decodes and augments on the host
    assert (HERE["device"]["platform"], HERE["device"]["count"]) == ("cpu", 8)
    assert HERE["command"].startswith("python ")
    assert sys.argv[0] in HERE["command"] or "-m pytest" in HERE["command"]


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    claim = partial(claimed, tmp_path / "config.json", HERE, defaults={}, done=lambda first: False)
    with claim(), pytest.raises(ValueError, match="another process is training"), claim():
        pass
    with claim():
        pass
