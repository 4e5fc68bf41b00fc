"""Recordings made by the tests: noise, in the layout of Google commands."""

import numpy as np
import soundfile

SPEAKERS = {
    "train": "004ae714",
    "valid": "026290a7",
    "test": "0c40e715",
}  # of the archive, and where its lists have them


def record(file, seed=0, *, rate=16000, samples=9000, channels=1, subtype="PCM_16"):
    """Write a WAV file of noise; return what is in it, as 16-bit integers."""
    sound = np.random.default_rng(seed).integers(-9000, 9000, (samples, channels)).astype(np.int16)
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, sound, rate, subtype=subtype, format="WAV")
    return sound[:, 0]


def words(folder, names=("bed", "cat"), lists=True):
    """Write two recordings a word and speaker, background noise, and perhaps the lists."""
    listed = {"valid": [], "test": []}
    for number, word in enumerate(names):
        for part, speaker in SPEAKERS.items():
            for take in range(2):
                name = f"{word}/{speaker}_nohash_{take}.wav"
                record(folder / name, seed=10 * number + take)
                listed.setdefault(part, []).append(name)
    record(folder / "_background_noise_" / "tap.wav", samples=50000)
    if lists:
        (folder / "validation_list.txt").write_text("\n".join(listed["valid"]) + "\n")
        (folder / "testing_list.txt").write_text("\n".join(listed["test"]) + "\n")
    return folder
