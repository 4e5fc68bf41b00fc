"""Two tiny trained runs, ERM and mixup, for the experiments that look into networks."""

import pytest

from experiments.trained_pairs.presets import Pair, train_pair


@pytest.fixture(scope="session")
def trained_pair(tmp_path_factory):
    """Both runs, as --erm and --mixup name them: three seeds each, two epochs on digits."""
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return train_pair("test", Pair(workdir=folder, dataset="digits", smoke=True))
