"""Two tiny trained runs, ERM and mixup, for the experiments that look into networks."""

import pytest

from experiments.pair_presets import find_pair


@pytest.fixture(scope="session")
def trained_pair(tmp_path_factory):
    """The folders of both runs, as --erm and --mixup take them: three seeds each, two epochs on digits."""
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return find_pair("test", "small", (), (), folder, None, "digits", smoke=True)[0][:2]
