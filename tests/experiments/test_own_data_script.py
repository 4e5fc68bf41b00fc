"""The script of docs/own-data.sh, on a small folder that holds what people's folders hold."""

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

SCRIPT = Path(__file__).parents[2] / "docs" / "own-data.sh"
NETWORK = [
    "--width=4",
    "--blocks",
    "1",
    "1",
    "--batch-size=8",
    "--epochs=40",
    "--eval-every=5",
    "--train-examples=None",
]
FORMATS = ["png", "jpg", "webp", "bmp", "gif", "tiff", "ppm", "dib", "avif" if features.check("avif") else "jpeg"]


def picture(colour, index):
    """Draw a picture of nearly one colour; no two have the same size."""
    rng = np.random.default_rng(index)
    pixels = np.clip(rng.normal(colour, 30, (40 + index, 70 - index, 3)), 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def awkward_folder(folder):
    """Make photographs of two classes: nine formats, other modes, a turned one, names in two scripts, a broken file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for label, colour in (("Äpfel", (200, 60, 60)), ("リンゴ以外", (60, 60, 200))):
        place = folder / label / "mehr davon"
        place.mkdir(parents=True)
        for index, suffix in enumerate(3 * FORMATS):
            picture(colour, index).save(place / f"Bild {index:02d}.{suffix}")
        for index, mode in enumerate(("CMYK", "L"), start=30):
            picture(colour, index).convert(mode).save(place / f"{mode}.jpg")
        picture(colour, 32).convert("P").save(place / "palette.png")
        picture(colour, 33).convert("RGBA").save(place / "transparent.png")
        picture(colour, 34).save(place / "turned.jpg", exif=exif)
    (folder / "Äpfel" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (folder / "Äpfel" / "notes.txt").write_text("not a picture")
    return folder


@pytest.mark.slow
def test_photographs_become_equal_predictions_of_a_run_and_of_its_export(tmp_path):
    photos, out = awkward_folder(tmp_path / "Fotos"), tmp_path / "out"
    command = ["bash", str(SCRIPT), str(photos), str(photos), str(out), *NETWORK]
    done = subprocess.run(command, cwd=SCRIPT.parents[1], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same command goes on from there" in done.stderr
    assert "missing from font" not in done.stderr
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    files = sum(path.is_file() for path in photos.rglob("*"))
    assert len(rows) == files - 1  # but for the notes
    assert [Path(row["file"]).name for row in rows if row["error"]] == ["broken.jpg"]
    right = [Path(row["file"]).parts[-3] == row["prediction"] for row in rows if not row["error"]]
    assert np.mean(right) > 0.9
    result = json.loads((out / "run" / "result.json").read_text())
    assert result["mark"] == "REAL"
    assert "Where it errs" in (out / "report.html").read_text()
    assert {"model.safetensors", "model.stablehlo", "model.json", "README.md"} <= {
        f.name for f in (out / "export").iterdir()
    }
