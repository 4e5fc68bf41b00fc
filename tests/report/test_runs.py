"""Laws of loading: a run folder comes back as written, and no file can make it crash."""

import json
import os

import numpy as np
import pytest

from mixup_jax.report.runs import load_runs


def test_a_run_comes_back_as_written(make_run):
    folder = make_run("erm", alpha=0.0, errors=[5.5, 5.6], paper={"test_error": 5.6, "source": "Figure 3(a)"})
    (run,), warnings = load_runs([folder])
    assert warnings == []
    assert (run.method, run.model, run.dataset, run.mark) == ("ERM", "preact_resnet", "fashion_mnist", "SYNTHETIC")
    assert (run.seeds, run.alpha, run.planned_epochs) == ((0, 1), 0.0, 20.0)
    assert run.curves["test_error"].shape == (20, 2)
    assert run.values["test_error"] == (5.5, 5.6)
    assert run.paper_error == 5.6
    assert run.reliability["count"].shape == (2, 15)


def test_runs_are_found_at_any_depth_once_and_not_inside_runs(make_run, tmp_path):
    outer = make_run("a/b/outer", alpha=0.0, errors=[5.5])
    make_run("a/b/outer/checkpoints/inner", alpha=0.0, errors=[5.5])
    make_run("c", alpha=0.0, errors=[5.5])
    runs, _ = load_runs([tmp_path, outer])
    assert [run.path for run in runs] == [outer, tmp_path / "runs" / "c"]


def test_a_half_written_last_line_is_no_error(make_run):
    folder = make_run("mixup", alpha=1.0, errors=[4.2], done=5)
    whole, _ = load_runs([folder])
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2814, "epoch": 6.0, "test_er')
    (run,), warnings = load_runs([folder])
    assert warnings == []
    np.testing.assert_array_equal(run.epochs, whole[0].epochs)


def test_a_broken_line_in_the_middle_is_skipped_with_a_warning(make_run):
    folder = make_run("mixup", alpha=1.0, errors=[4.2])
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    lines[3] = lines[3][:40]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (run,), (warning,) = load_runs([folder])
    assert "metrics.jsonl: line 4: not JSON" in warning
    assert "\n" not in warning
    assert run.epochs.tolist() == [float(epoch) for epoch in range(1, 21) if epoch != 4]


def test_an_evaluation_written_again_after_a_resume_counts_once(make_run):
    folder = make_run("mixup", alpha=1.0, errors=[4.2], done=5)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    again = {**json.loads(lines[2]), "test_error": [77.0]}
    (folder / "metrics.jsonl").write_text("\n".join([*lines, json.dumps(again)]) + "\n")
    (run,), _ = load_runs([folder])
    assert run.epochs.tolist() == [1, 2, 3, 4, 5]
    assert run.curves["test_error"][2] == 77.0


def test_a_run_without_a_result_is_unfinished(make_run):
    (run,), warnings = load_runs([make_run("mixup", alpha=1.0, errors=[4.2, 4.3], done=7)])
    assert warnings == []
    assert not run.finished
    assert run.epochs[-1] == 7
    assert run.seeds == (0, 1)


def test_a_run_that_has_not_begun_is_loaded(make_run):
    folder = make_run("mixup", alpha=1.0, errors=[4.2], done=1)
    (folder / "metrics.jsonl").unlink()
    (run,), warnings = load_runs([folder])
    assert (len(run.epochs), warnings) == (0, [])


NO_CONFIG = {
    "empty": "",
    "half": "{",
    "a list": "[]",
    "null": "null",
    "no fields": "{}",
    "config no object": '{"config": 3, "experiment": "x"}',
    "deep list": "[" * 100_000,
    "deep object": '{"a":' * 900 + "1" + "}" * 900,
    "seeds no integer": '{"experiment": "x", "config": {"seeds": 1e9}}',
    "too many seeds": '{"experiment": "x", "config": {"seeds": 1000000000}}',
    "alpha no number": '{"experiment": "x", "config": {"mixing": {"alpha": "one"}}}',
    "not UTF-8": "\ud800",
}


@pytest.mark.parametrize("content", NO_CONFIG.values(), ids=NO_CONFIG.keys())
def test_a_malformed_config_is_one_line_that_names_it(make_run, tmp_path, content):
    make_run("good", alpha=0.0, errors=[5.5])
    bad = make_run("bad", alpha=0.0, errors=[5.5], done=2) / "config.json"
    bad.write_bytes(content.encode("utf-8", "surrogatepass"))
    runs, (warning,) = load_runs([tmp_path])
    assert [run.path.name for run in runs] == ["good"]
    assert warning.startswith(str(bad))
    assert len(warning.splitlines()) == 1


def test_a_confidence_may_pass_one_by_a_rounding_error(make_run):
    bins = {"count": [[0, 3]], "confidence": [[0, 1.0000002]], "accuracy": [[0, 1.0]]}
    (run,), warnings = load_runs([make_run("erm", alpha=0.0, errors=[5.5], reliability=bins)])
    assert warnings == []
    assert run.finished


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": [0, 0, 0]},
        {"seeds": ["a", "b", "c"]},
        {"test_error": {"best": [1.0], "last": [1.0]}},
        {"test_error": {"last": "low"}},
        {"test_error": None},
        {"reliability": {"count": [[1]], "confidence": [[1]], "accuracy": [[1]]}},
        {"reliability": {name: [[50.0, 60.0]] * 3 for name in ("count", "confidence", "accuracy")}},
        {"paper": {"test_error": [5.6]}},
        {"wall_seconds": 10**400},
    ],
)
def test_a_malformed_result_leaves_an_unfinished_run_and_a_warning(make_run, change):
    folder = make_run("erm", alpha=0.0, errors=[5.5, 5.6, 5.7])
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, **change}))
    (run,), (warning,) = load_runs([folder])
    assert not run.finished
    assert warning.startswith(str(folder / "result.json"))


def test_control_characters_do_not_reach_the_terminal(make_run):
    (run,), _ = load_runs([make_run("erm", alpha=0.0, errors=[5.5], command="rm \x1b[2J\nx")])
    assert run.command == "rm �[2J�x"


def test_runs_behind_links_are_found_once_and_circles_end(make_run, tmp_path):
    elsewhere = make_run("elsewhere/deep/erm", alpha=0.0, errors=[5.5]).parent.parent
    (tmp_path / "shown" / "nested").mkdir(parents=True)
    for name, target in {"a": elsewhere, "b": elsewhere / "deep" / "erm", "up": tmp_path / "shown"}.items():
        (tmp_path / "shown" / name).symlink_to(target)
    (elsewhere / "deep" / "circle").symlink_to(elsewhere)
    (tmp_path / "shown" / "nested" / "root").symlink_to("/")  # it contains what was asked for
    (tmp_path / "shown" / "dangling").symlink_to(tmp_path / "nowhere")
    runs, warnings = load_runs([tmp_path / "shown"])
    assert [run.values["test_error"] for run in runs] == [(5.5,)]
    assert warnings == []
    assert len(load_runs([tmp_path / "shown" / "b"])[0]) == 1


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "result.json"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_ordinary_file_is_named_and_never_waited_for(make_run, tmp_path, name, kind):
    make_run("good", alpha=0.0, errors=[5.5])
    path = make_run("odd", alpha=0.0, errors=[5.5]) / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    runs, (warning,) = load_runs([tmp_path])
    assert [run.path.name for run in runs] == ["good", "odd"][: 2 - (name == "config.json")]
    assert warning.startswith(f"{path}: not readable: no ordinary file")


def test_a_file_without_end_is_refused(tmp_path):
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(2**40)  # takes no room
    (warning,) = load_runs([tmp_path])[1]
    assert "larger than 64 MiB" in warning


@pytest.mark.parametrize(
    ("speed", "told"),
    [
        (None, ""),
        ({"step_seconds": {"median": None}}, ""),
        ({"step_seconds": {"median": 0.0105}}, "a step 10.5 ms"),
        (
            {"step_seconds": {"median": 0.01}, "waiting": -1, "flop_utilisation": 0.5},
            "a step 10 ms, 50.0 % of the chips",
        ),
        ({"step_seconds": {"median": 1e308}, "device_memory": 1e308}, "a step 1e+308 s"),
    ],
)
def test_a_run_tells_what_is_known_of_its_speed(make_run, speed, told):
    ((run,), warnings) = load_runs([make_run("a", alpha=0.0, errors=[5.5], speed=speed)])
    assert warnings == []
    assert run.speed.startswith(told)
    assert bool(run.speed) == bool(told)
