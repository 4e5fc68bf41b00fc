"""Laws of figure 4: which networks are trained, what they are given, and where the paper's numbers stand."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from experiments import prepare_speech
from experiments.commands.command_line import parse
from experiments.commands.grid import each_alpha
from experiments.commands.running import Job, default_folder
from experiments.commands.smoke import shrink
from experiments.speech import __main__ as speech
from experiments.trained_pairs.load import load_network
from experiments.trained_pairs.presets import Pair
from mixup_jax.choices import Adam, Data, Mixup, Step
from mixup_jax.config import Config
from mixup_jax.data.sources import load
from mixup_jax.data.speech.commands import which_set
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.provenance import describe
from mixup_jax.runtime.run_folder import MADE_BY

FIGURE4 = speech.PRESETS["figure4"][1]


def results(job):
    """For each network and seed a test error and, of LeNet alone, a validation error."""
    found = {}
    for name, config in speech.configs(job).items():
        errors = (10.0 * (name == "vgg11") + np.arange(len(config.runs))).tolist()
        valid = {"valid_error": errors} if name == "lenet" else {}
        rest = {
            "dataset": "fsdd",
            "mark": "REAL",
            "seeds": [seed for _, seed in config.runs],
            "methods": ["ERM", "mixup", "mixup"],
        }
        found |= each_alpha(config, {"test_error": {"last": errors}, **valid, **rest})
    return found


def test_the_paper_is_in_its_preset():
    config = FIGURE4.config
    assert (config.epochs, config.batch_size) == (30, 100)
    assert (config.optimizer, config.schedule) == (Adam(lr=3e-3, weight_decay=0.0), Step((10.0, 20.0)))
    assert config.mixing == Mixup(alpha=(0.0, 0.1, 0.2), unmixed_epochs=5.0)
    lenet, vgg11 = speech.configs(FIGURE4).values()
    assert (lenet.model.name, lenet.model.width, lenet.model.dropout) == ("lenet", 20, 0.5)
    assert (vgg11.model.name, vgg11.model.width) == ("vgg11", 64)


def test_the_table_has_the_papers_numbers_and_differences_paired_over_seeds():
    job = replace(FIGURE4, config=replace(FIGURE4.config, seeds=2))
    table = speech.table(job, results(job))
    assert [row.paper for row in table.rows[:3]] == [(9.8, 10.3, None), (10.1, 10.8, 0.5), (10.2, 11.3, 1.0)]
    assert [row.paper[2] for row in table.rows[3:]] == [None, -0.8, -1.2]
    assert [row.values for row in table.rows[:2]] == [
        ((0.0, 1.0), (0.0, 1.0), ()),
        ((2.0, 3.0), (2.0, 3.0), (2.0, 2.0)),
    ]
    assert table.rows[3].values == ((), (10.0, 11.0), ())
    assert [row.label for row in table.rows[:3]] == ["ERM", "mixup, alpha = 0.1", "mixup, alpha = 0.2"]


def test_without_erm_there_is_no_difference():
    job = replace(FIGURE4, config=replace(FIGURE4.config, mixing=Mixup(alpha=(0.3,))), networks=("vgg11",))
    (row,) = speech.table(job, results(job)).rows
    assert row.values == ((), (10.0,), ())
    assert row.paper == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--networks", "lenet", "lenet"], "networks must be different ones of lenet, vgg11"),
        (["--alphas"], "alpha must be one number"),
        (["--model", "mlp"], "model is what the rows of the table differ in"),
        (["--momentum", "0.5"], "momentum does nothing here: it is for --optimizer sgd"),
        (["--unmixed-epochs", "-1"], "unmixed_epochs must be a finite number >= 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments, message, capsys):
    with pytest.raises((ValueError, SystemExit)) as error:
        speech.configs(parse("speech", "", speech.PRESETS, "small", arguments)[1])
    assert message in str(error.value) + capsys.readouterr().err


@pytest.mark.parametrize("option", [{"mix": "waveform"}, {"nyquist": True}])
def test_options_of_speech_need_speech(option):
    with pytest.raises(ValueError, match="is for speech, and digits is none"):
        Data("digits", **option)


def test_runs_on_waveforms_and_with_all_rows_have_folders_of_their_own():
    base = Job(FIGURE4.config)
    others = [
        replace(base, config=replace(base.config, data=replace(base.config.data, mix="waveform"))),
        replace(base, config=replace(base.config, data=replace(base.config.data, nyquist=True))),
    ]
    assert len({default_folder("speech", "figure4", job) for job in (base, *others)}) == 3


def test_a_smoke_run_listens_to_speech():
    assert shrink(FIGURE4.config).data.dataset == "chirps"
    assert shrink(FIGURE4.config).mixing.unmixed_epochs == 1
    assert shrink(Config()).data.dataset == "digits"


def test_experiments_on_images_refuse_a_run_of_speech(tmp_path):
    config = Config(Data("chirps", pad_crop=0, flip=False))
    write_json(tmp_path / "config.json", describe(config, "speech", "small", load("digits").identity()))
    write_json(tmp_path / "result.json", dict.fromkeys(MADE_BY, "") | {"seeds": [0], "test_error": {"last": [5.0]}})
    with pytest.raises(ValueError, match="was trained on chirps, speech"):
        load_network(tmp_path, None)


needs_engine = pytest.mark.skipif(shutil.which(prepare_speech.ENGINE) is None, reason="espeak-ng is not installed")


@needs_engine
def test_spoken_words_are_the_archives_layout_and_hold_voices_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(prepare_speech, "WORDS", ["bed", "cat"])
    prepare_speech.main(tmp_path / "words", voices=20)
    assert "40 recordings" in capsys.readouterr().out
    assert soundfile.info(tmp_path / "words" / "bed" / first(tmp_path).name).samplerate == 16000
    data = load(f"speech:{tmp_path / 'words'}")
    assert (data.mark, data.classes, data.image_shape) == ("SYNTHETIC", ("bed", "cat"), (160, 101, 1))
    listed = (tmp_path / "words" / "testing_list.txt").read_text().split()
    assert len(listed) == len(data.test_label) > 0
    assert {which_set(name.split("/")[1]) for name in listed} == {"test"}
    with pytest.raises(ValueError, match="exists; choose another folder"):
        prepare_speech.main(tmp_path / "words")


@needs_engine
def test_a_voice_whose_name_has_spaces_is_known_by_all_of_it_and_every_voice_speaks():
    names = prepare_speech.variants()
    assert "Mr serious" in names
    assert "Storm" in names  # the listing has more after it
    assert not any(name != name.strip() or "(" in name for name in names)


@needs_engine
def test_a_folder_of_spoken_words_gets_its_name_when_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_speech, "write_json", lambda *_: 1 / 0)  # the last file
    with pytest.raises(ZeroDivisionError):
        prepare_speech.main(tmp_path / "words", voices=1)
    assert not list(tmp_path.iterdir())


def first(folder):
    return sorted((folder / "words" / "bed").iterdir())[0]


@needs_engine
@pytest.mark.parametrize("voices", [0, 10_000])
def test_more_voices_than_there_are_is_an_error(tmp_path, voices):
    with pytest.raises(ValueError, match="voices must be between 1 and"):
        prepare_speech.main(tmp_path / "words", voices=voices)


def test_without_the_engine_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"espeak-ng not found; install it \(Debian: apt-get install espeak-ng\)"):
        prepare_speech.main(tmp_path / "words")


def test_a_pair_is_not_trained_on_speech(tmp_path):
    with pytest.raises(ValueError, match="dataset is fsdd, speech"):
        Pair(workdir=tmp_path, dataset="fsdd")
