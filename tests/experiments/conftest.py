"""Two tiny trained runs, ERM and mixup, for the experiments that look into networks."""

import pytest

from experiments.pairs import find_pair


@pytest.fixture(scope="session")
def trained_pair(tmp_path_factory):
    """The folders of both runs: three seeds each, two epochs on digits."""
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return find_pair("test", None, None, folder, None, "digits", smoke=True)[0]
