"""Laws of recordings: what is 16 kHz, mono and 16 bits comes through untouched, the rest converted and said so."""

import logging

import numpy as np
import pytest
from recordings import record

from mixup_jax.data.dataset import Dataset, as_pictures
from mixup_jax.data.speech import Speech, read_recording, read_recordings, speech_dataset

RATE = 16000


def test_a_plain_recording_is_read_bit_for_bit_and_padded(tmp_path):
    sound = record(tmp_path / "a.wav")
    waveform = read_recordings([tmp_path / "a.wav"], RATE, "test")
    assert waveform.dtype == np.int16
    assert np.array_equal(waveform[0, :9000], sound)
    assert not waveform[0, 9000:].any()


def test_what_is_longer_than_a_second_is_cut(tmp_path):
    sound = record(tmp_path / "a.wav", samples=20000)
    assert np.array_equal(read_recordings([tmp_path / "a.wav"], RATE, "test")[0], sound[:RATE])


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"rate": 8000}, "8000 Hz, 1 channels, PCM_16"),
        ({"channels": 2}, "2 channels"),
        ({"subtype": "PCM_24"}, "PCM_24"),
    ],
)
def test_other_forms_are_converted_with_one_warning(tmp_path, caplog, form, words):
    files = [tmp_path / "word" / f"{name}.wav" for name in "abc"]
    for file, options in zip(files, ({}, form, form), strict=True):
        record(file, **options)
    with caplog.at_level(logging.WARNING):
        waveform = read_recordings(files, RATE, "test")
    assert waveform.shape == (3, RATE)
    (warning,) = (message for message in caplog.messages if "converted" in message)
    assert "2 of 3 recordings are not mono, 16-bit, 16000 Hz" in warning
    assert "word/b.wav" in warning
    assert words in warning


def test_resampling_keeps_a_tone(tmp_path):
    import soundfile

    time = np.arange(8000) / 8000
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * time), 8000, subtype="PCM_16")
    samples, form, longer = read_recording(tmp_path / "a.wav", RATE)
    assert not longer
    assert form.startswith("8000 Hz")
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(samples[500:-500] / 32768, expected[500:-500], atol=2e-3)


def test_only_the_first_second_is_read_and_the_rest_is_told(tmp_path, caplog):
    sound = record(tmp_path / "w" / "a.wav", samples=10 * RATE)
    record(tmp_path / "w" / "b.wav", samples=RATE)
    samples, _, longer = read_recording(tmp_path / "w" / "a.wav", RATE)
    assert longer
    assert len(samples) < 2 * RATE
    with caplog.at_level(logging.WARNING):
        waveform = read_recordings([tmp_path / "w" / "a.wav", tmp_path / "w" / "b.wav"], RATE, "test")
    np.testing.assert_array_equal(waveform[0], sound[:RATE])
    (warning,) = caplog.messages
    assert "of 1 of 2 recordings only the first second is used" in warning


def test_full_scale_does_not_wrap(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.array([1.5, -1.5, 0.25]), RATE, subtype="FLOAT")
    assert read_recording(tmp_path / "a.wav", RATE)[0].tolist() == [32767, -32768, 8192]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(b"no recording"), "cannot be read as a recording"),
        (lambda file: file.unlink(), "cannot be read as a recording"),
        (lambda file: record(file, samples=0), "holds no samples"),
        (lambda file: record(file, rate=1_000_003), r"cannot be read as a recording \(1000003 Hz; rates are 4000 to"),
        (lambda file: write_nan(file), "holds samples that are not finite"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, damage, message):
    file = tmp_path / "a.wav"
    record(file)
    damage(file)
    with pytest.raises(ValueError, match=f"a.wav {message}.*; replace or remove it"):
        read_recording(file, RATE)


def write_nan(file):
    import soundfile

    soundfile.write(file, np.array([0.1, np.nan]), RATE, subtype="FLOAT")


@pytest.fixture(scope="module")
def datasets():
    """The same noise as spectrograms and as waveforms: three to train on, one for validation, two to test."""
    sound = np.random.default_rng(0).integers(-9000, 9000, (6, 8000)).astype(np.int16)
    label = np.arange(6) % 2
    return sound, [speech_dataset("a", "REAL", "xy", sound, label, (3, 1, 2), Speech(wave)) for wave in (False, True)]


def test_the_parts_are_in_order(datasets):
    sound, (image, wave) = datasets
    assert image.train_image.shape == (3, 80, 101, 1)
    assert image.train_image.dtype == np.float16
    parts = (wave.train_image, wave.valid_image, wave.test_image)
    assert np.array_equal(np.concatenate(parts)[:, :, 0, 0], sound)
    assert [part.tolist() for part in (wave.train_label, wave.valid_label, wave.test_label)] == [[0, 1, 0], [1], [0, 1]]


def test_pictures_keep_the_order_of_loudness_and_have_low_frequencies_below(datasets):
    _, (image, _) = datasets
    pictures = as_pictures(image.train_image)
    assert (pictures.dtype, int(pictures.min()), int(pictures.max())) == (np.uint8, 0, 255)
    loudest = np.unravel_index(image.train_image.argmax(), pictures.shape)
    assert pictures[loudest[0], 79 - loudest[1], loudest[2], 0] == 255


def test_numbers_that_are_not_finite_are_refused(datasets):
    _, (image, _) = datasets
    broken = np.array(image.test_image)
    broken[1, 2, 3] = np.nan
    fields = vars(image) | {"test_image": broken}
    with pytest.raises(ValueError, match="a: test_image holds numbers that are not finite"):
        Dataset(**fields)


def test_a_validation_set_needs_both_its_arrays(datasets):
    with pytest.raises(ValueError, match="valid_image and valid_label must both be there"):
        Dataset(**vars(datasets[1][0]) | {"valid_label": None})
