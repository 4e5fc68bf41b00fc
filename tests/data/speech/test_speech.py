"""Laws of recordings: what is 16 kHz, mono and 16 bits comes through untouched, the rest converted and said so."""

import numpy as np
import pytest
from recordings import record
from scipy.signal import resample_poly

from mixup_jax.data.dataset import Dataset, as_pictures
from mixup_jax.data.speech.recordings import Speech, read_recording, read_recordings, speech_dataset

RATE = 16000


def test_a_plain_recording_is_read_bit_for_bit_and_padded(tmp_path):
    sound = record(tmp_path / "a.wav")
    waveform, _ = read_recordings([tmp_path / "a.wav"], RATE, "test")
    assert waveform.dtype == np.int16
    assert np.array_equal(waveform[0, :9000], sound)
    assert not waveform[0, 9000:].any()


def test_what_is_longer_than_a_second_is_cut(tmp_path):
    sound = record(tmp_path / "a.wav", samples=20000)
    assert np.array_equal(read_recordings([tmp_path / "a.wav"], RATE, "test")[0][0], sound[:RATE])


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"rate": 8000}, "8000 Hz, 1 channels, PCM_16"),
        ({"channels": 2}, "2 channels"),
        ({"subtype": "PCM_24"}, "PCM_24"),
    ],
)
def test_other_forms_are_converted_and_counted(tmp_path, form, words):
    files = [tmp_path / "word" / f"{name}.wav" for name in "abc"]
    for file, options in zip(files, ({}, form, form), strict=True):
        record(file, **options, samples=options.get("rate", RATE))
    waveform, (note,) = read_recordings(files, RATE, "test")
    assert waveform.shape == (3, RATE)
    assert "2 of 3 recordings: not mono, 16-bit, 16000 Hz" in note
    assert "word/b.wav" in note
    assert words in note


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_sample_format_gives_the_same_sound(tmp_path, subtype):
    import soundfile

    sound = np.sin(np.arange(RATE) / 9) * 0.9
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype=subtype)
    (read,), _ = read_recordings([tmp_path / "a.wav"], RATE, "test")
    np.testing.assert_allclose(read / 32768, sound, atol=1 / 100 if subtype == "PCM_U8" else 1 / 10000)


@pytest.mark.parametrize("loud", [1.01, 2.0, 12000.0])
def test_what_is_louder_than_full_scale_is_made_softer_as_a_whole_and_said(tmp_path, loud):
    import soundfile

    sound = np.sin(np.arange(RATE) / 9)
    soundfile.write(tmp_path / "a.wav", loud * sound, RATE, subtype="FLOAT")
    (read,), notes = read_recordings([tmp_path / "a.wav"], RATE, "test")
    np.testing.assert_allclose(read / 32768, sound / np.abs(sound).max(), atol=1e-4)
    assert any("louder than full scale" in note and f"peak {loud:.3g}"[:6] in note for note in notes)


def test_resampling_clips_nothing(tmp_path):
    square = np.where(np.arange(8000) // 40 % 2, 32767, -32768).astype(np.int16)
    import soundfile

    soundfile.write(tmp_path / "a.wav", square, 8000, subtype="PCM_16")
    (read,), notes = read_recordings([tmp_path / "a.wav"], RATE, "test")
    sound = resample_poly(square / 32768, 2, 1)  # overshoots at every edge
    np.testing.assert_allclose(read / 32768, sound / np.abs(sound).max(), atol=1e-4)
    assert any("louder than full scale" in note for note in notes)


def test_silence_is_counted_also_where_channels_cancel(tmp_path):
    import soundfile

    sound = np.sin(np.arange(RATE) / 9)
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE, subtype="PCM_16")
    soundfile.write(tmp_path / "b.wav", np.stack([sound, -sound], axis=1), RATE, subtype="FLOAT")
    _, notes = read_recordings([tmp_path / "a.wav", tmp_path / "b.wav"], RATE, "test")
    assert any("2 of 2 recordings: silent" in note for note in notes)


def test_a_recording_that_was_cut_short_is_named(tmp_path):
    record(tmp_path / "a.wav")
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"a.wav cannot be read as a recording \(it has \d+ bytes of \d+: it was cut"):
        read_recording(tmp_path / "a.wav", RATE)


def test_resampling_keeps_a_tone(tmp_path):
    import soundfile

    time = np.arange(8000) / 8000
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * time), 8000, subtype="PCM_16")
    samples, done = read_recording(tmp_path / "a.wav", RATE)
    assert [how[:7] for how in done.values()] == ["8000 Hz"]
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(samples[500:-500] / 32768, expected[500:-500], atol=2e-3)


def test_only_the_first_second_is_read_and_what_is_longer_or_shorter_is_told(tmp_path):
    files = [tmp_path / "w" / f"{name}.wav" for name in "abc"]
    sound, *_ = (record(file, samples=seconds) for file, seconds in zip(files, (10 * RATE, RATE, 99), strict=True))
    samples, _ = read_recording(files[0], RATE)
    assert len(samples) < 2 * RATE
    waveform, notes = read_recordings(files, RATE, "test")
    np.testing.assert_array_equal(waveform[0], sound[:RATE])
    assert any("1 of 3 recordings: longer, only the first second is used (the first: w/a.wav" in note for note in notes)
    assert any("1 of 3 recordings: shorter than a second, padded with zeros (the first: w/c" in note for note in notes)


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
    with pytest.raises(ValueError, match="valid_image and valid_label must both be given"):
        Dataset(**vars(datasets[1][0]) | {"valid_label": None})
