"""The sheet of patterns shows what there is, each map under its name."""

import numpy as np
import pytest
from PIL import Image

from experiments.wafer import sheet
from experiments.wafer.maps import WaferMaps
from experiments.wafer.patterns import DEFECTS, PATTERNS, pattern_name
from experiments.wafer.sheet import by_set, patterns, source_sheet

LABEL = np.repeat(PATTERNS, 3, axis=0)
MAPS = WaferMaps("mine", "REAL", DEFECTS, np.random.default_rng(0).integers(0, 3, (114, 9, 9)).astype(np.uint8), LABEL)


def test_every_map_is_in_one_set_and_sets_are_in_the_order_of_their_size():
    sets = by_set(MAPS)
    assert sorted(np.concatenate(list(sets.values()))) == list(range(114))
    assert list(sets)[:3] == ["Normal", "Center", "Donut"]
    assert [name.count("+") for name in sets] == sorted(name.count("+") for name in sets)
    for name, index in sets.items():
        assert {pattern_name(label, DEFECTS) for label in MAPS.label[index]} == {name}


def test_a_sheet_of_ones_own_maps_shows_each_set_with_its_number_and_its_maps():
    sets = dict(list(by_set(MAPS).items())[:5])
    figure = source_sheet(MAPS, sets, 2)
    titles = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}
    assert sorted(titles) == sorted(f"{name}  (3)" for name in sets)
    shown = {axes.images[0].get_array().tobytes() for axes in figure.axes if axes.images}
    assert shown == {MAPS.maps[i].tobytes() for index in sets.values() for i in (index[0], index[-1])}


def test_one_map_of_a_set_is_shown_once():
    one = MAPS.take(np.arange(1))
    assert len([axes for axes in source_sheet(one, by_set(one), 4).axes if axes.images]) == 1


@pytest.mark.thorough
def test_the_command_draws_the_generators_patterns_and_a_folders(tmp_path, capsys, monkeypatch):
    asked = []

    def drawn(noise, examples, size, seed):
        asked.append((noise, examples, size, seed))
        return np.ones((38, examples, size, size), np.uint8)

    monkeypatch.setattr(sheet, "drawn", drawn)
    patterns(tmp_path / "new" / "all.png", examples=1, size=8, seed=3)
    assert asked == [(("low", "high"), 1, 8, 3)]
    with Image.open(tmp_path / "new" / "all.png") as picture:
        assert picture.size == (480, 3161)
    np.savez(tmp_path / "mine.npz", MAPS.maps, MAPS.label)
    monkeypatch.setattr(sheet, "MOST", 3)
    patterns(tmp_path / "mine.png", source=f"npz:{tmp_path / 'mine.npz'}", examples=1)
    assert (tmp_path / "mine.png").stat().st_size > 0
    printed = capsys.readouterr().out
    assert "all.png: 38 patterns, 1 maps of each, low and high noise" in printed
    assert "mine.png: 114 maps with 38 different sets of defects, the first 3 of them shown" in printed


@pytest.mark.exhaustive
def test_the_generators_maps_are_shared_among_the_backgrounds():
    both = sheet.drawn(("low", "high"), 3, 16, 0)
    assert both.shape == (38, 3, 16, 16)
    share = [(one == 2).sum() / (one > 0).sum() for one in both[1:].swapaxes(0, 1)]
    assert max(share[:2]) < share[2]
    assert sheet.drawn(("low", "high"), 1, 16, 0).shape == (38, 1, 16, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "sheet.svg"}, r"output must be a .png, got sheet.svg"),
        ({"examples": 0}, "examples must be at least 1.* got 0"),
        ({"size": 7}, "size must be at least 8.* got 7"),
        ({"noise": ()}, "noise must be low, high, or both, got nothing"),
        ({"noise": ("low", "low")}, "noise must be low, high, or both, got low low"),
        ({"source": "npz:x.npz", "noise": ("low",)}, "noise and seed are for the source generator, got npz:x.npz"),
        ({"source": "maps"}, "source is 'maps'; it must be generator, or one of"),
    ],
)
def test_what_no_sheet_can_be_made_of_is_refused(options, message, tmp_path):
    output = tmp_path / options.pop("output", "sheet.png")
    with pytest.raises(ValueError, match=message.replace("got sheet", "got .*sheet")):
        patterns(output, **options)
