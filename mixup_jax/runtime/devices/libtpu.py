"""What libtpu is told on a machine without TPUs, where it is installed for `experiments.plan`."""

import glob
import importlib.util
from collections.abc import MutableMapping

WITHOUT_CHIPS = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""Do not ask Google's cloud about this machine, and let several plans be made at once."""


def answer(environment: MutableMapping[str, str]) -> None:
    """Answer the questions of libtpu for a machine without TPU; answers that are there stay."""
    for name, value in WITHOUT_CHIPS.items():
        environment.setdefault(name, value)


def answer_without_tpu(environment: MutableMapping[str, str], devices: str = "/dev") -> None:
    """Answer them if libtpu is installed and `devices` lists no TPU: libtpu would wait for its metadata otherwise."""
    chips = glob.glob(f"{devices}/accel[0-9]*") + glob.glob(f"{devices}/vfio/[0-9]*")
    if not chips and importlib.util.find_spec("libtpu"):
        answer(environment)
