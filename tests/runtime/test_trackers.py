"""Laws of trackers: each line is told once, a resumed run goes on in the same one, and none of them ends a training."""

import json
import signal

import pytest
from tiny_runs import DATA, MLP, changed

from mixup_jax.runtime import trackers
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.progress import Bar
from mixup_jax.runtime.signals import Stopped
from mixup_jax.runtime.trackers import Tracker, open_board
from mixup_jax.training.loop import fit

LINES = [{"step": step, "test_error": [10.0 / step, 20.0 / step], "waiting": None} for step in (3, 6, 9)]


@pytest.fixture
def told(monkeypatch):
    """What two trackers hear; the one of them that is named in `broken` fails from then on."""
    heard = {"wandb": [], "mlflow": [], "broken": set()}

    def opener(name):
        def opened(workdir, run, title, config):
            def log(means, step):
                if name in heard["broken"]:
                    raise ConnectionError("no such host\nin two lines")
                heard[name].append((step, means))

            heard[name].append((run, title, config["model.name"]))
            return Tracker(run or f"{name}-7", log, lambda ended: heard[name].append(ended))

        return opened

    monkeypatch.setattr(trackers, "PACKAGES", {"wandb": "json", "mlflow": "json"})
    monkeypatch.setattr(trackers, "OPENERS", {name: opener(name) for name in ("wandb", "mlflow")})
    return heard


def board(folder, *names):
    return open_board(folder, names, "a run", {"model.name": "mlp"})


def test_a_resumed_run_goes_on_in_the_same_one_and_hears_each_line_once(told, tmp_path):
    write = board(tmp_path, "wandb")
    opened = write.__enter__()
    for line in LINES[:2]:
        opened.write(line)
    stopped = Stopped("stopped", signal.SIGTERM)
    assert not write.__exit__(Stopped, stopped, None)
    with board(tmp_path, "wandb", "mlflow") as opened:
        for line in LINES:  # what was before the checkpoint, and what is computed again
            opened.write(line)
    start = ("a run", "mlp")
    means = [(line["step"], {"test_error": 15.0 / line["step"]}) for line in LINES]
    assert told["wandb"] == [("", *start), *means[:2], False, ("wandb-7", *start), means[2], True]
    assert told["mlflow"] == [("", *start), *means, True]


def test_one_that_fails_is_one_warning_the_others_go_on_and_it_hears_the_rest_later(told, tmp_path):
    with board(tmp_path, "wandb", "mlflow") as opened:
        opened.write(LINES[0])
        told["broken"] = {"wandb"}
        with pytest.warns(UserWarning, match=r"^wandb .*no such host in two lines.*metrics.jsonl") as warned:
            opened.write(LINES[1])
        opened.write(LINES[2])
    assert len(warned) == 1
    assert [step for step, _ in told["mlflow"][1:-1]] == [3, 6, 9]
    told["broken"] = set()
    with board(tmp_path, "wandb") as opened:
        for line in LINES:
            opened.write(line)
    assert [each[0] for each in told["wandb"] if isinstance(each, tuple) and len(each) == 2] == [3, 6, 9]


@pytest.mark.thorough
def test_a_training_goes_on_without_one_that_cannot_be_opened(tmp_path, monkeypatch):
    def no_login(*_):
        raise RuntimeError("No API key configured")

    monkeypatch.setattr(trackers, "PACKAGES", {"wandb": "json"})
    monkeypatch.setattr(trackers, "OPENERS", {"wandb": no_login})
    with pytest.warns(UserWarning, match="wandb .*No API key"):
        result = fit(changed(MLP, epochs=1.0), DATA, Launch(track=("wandb",)), tmp_path)
    assert result["params_digest"]


@pytest.mark.thorough
def test_a_run_tells_what_metrics_jsonl_says(told, tmp_path, monkeypatch):
    config, launch = changed(MLP, epochs=3.0, eval_every=1.0), Launch(track=("mlflow",))
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "evaluated", lambda *_: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Stopped):
            fit(config, DATA, launch, tmp_path)
    fit(config, DATA, launch, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    logged = [each for each in told["mlflow"] if isinstance(each, tuple) and len(each) == 2]
    assert [step for step, _ in logged] == [line["step"] for line in lines] == [3, 6, 9]
    for (_, means), line in zip(logged, lines, strict=True):
        assert means["test_error"] == line["test_error"][0]


def test_a_package_that_is_missing_is_refused_by_every_process(monkeypatch, tmp_path):
    monkeypatch.setattr(trackers, "PACKAGES", {"wandb": "no_such_package"})
    monkeypatch.setattr(trackers, "is_writer", lambda: False)
    with pytest.raises(ValueError, match=r"--track wandb.*no_such_package"), board(tmp_path, "wandb"):
        pass


def test_one_process_tells(told, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "is_writer", lambda: False)
    with board(tmp_path, "wandb") as opened:
        opened.write(LINES[0])
    assert told["wandb"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_note_names_its_file(told, tmp_path):
    (tmp_path / "trackers.json").write_text('{"wandb": {"step": "three"}}')
    with pytest.raises(ValueError, match=r"trackers.json is damaged.*move it away"), board(tmp_path, "wandb"):
        pass


def test_the_old_spelling_of_tensorboard_is_the_same_tracker():
    assert Launch(tensorboard=True).trackers == Launch(track=("tensorboard",)).trackers == ("tensorboard",)
    assert Launch(tensorboard=True, track=("wandb", "tensorboard", "wandb")).trackers == ("tensorboard", "wandb")


def write_twice(folder, name):
    """Stop after two lines, and go on."""
    for lines in (LINES[:2], LINES):
        with board(folder, name) as opened:
            for line in lines:
                opened.write(line)


def test_tensorboards_files_hold_each_step_once(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra [tensorboard] is not installed")
    write_twice(tmp_path, "tensorboard")
    content = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert content.count(b"test_error") == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of W&B itself
def test_wandb_offline_goes_on_with_the_same_run(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="the extra [wandb] is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    write_twice(tmp_path, "wandb")
    run = json.loads((tmp_path / "trackers.json").read_text())["wandb"]
    folders = [path.name for path in (tmp_path / "wandb").iterdir() if path.name.startswith("offline-run-")]
    assert len(folders) >= 1  # two, unless both began within one second
    assert all(name.endswith(run["run"]) for name in folders)
    assert run["step"] == 9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of MLflow itself
@pytest.mark.parametrize("store", ["file", "sqlite"])
def test_mlflow_keeps_one_run_with_every_step_and_the_configuration(tmp_path, monkeypatch, store):
    mlflow = pytest.importorskip("mlflow", reason="the extra [mlflow] is not installed")
    where = f"sqlite:///{tmp_path}/mlflow.db" if store == "sqlite" else f"file://{tmp_path}/mlruns"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    write_twice(tmp_path, "mlflow")
    client = mlflow.MlflowClient(tracking_uri=where)
    (found,) = client.search_runs([client.get_experiment_by_name("mixup_jax").experiment_id])
    assert found.data.params == {"model.name": "mlp"}
    assert found.info.status == "FINISHED"
    history = client.get_metric_history(found.info.run_id, "test_error")
    assert [(each.step, each.value) for each in history] == [(step, 15.0 / step) for step in (3, 6, 9)]
