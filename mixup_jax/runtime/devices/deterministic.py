"""Let a GPU repeat its bits: flags of XLA, which a run records with all others (`identity.jax_settings`)."""

from collections.abc import MutableMapping

FLAGS = "--xla_gpu_deterministic_ops=true"
"""No sums in an order that varies, and no kernels chosen by measuring them: XLA takes this flag for both."""


def ask(environ: MutableMapping[str, str]) -> None:
    """Add the flags to XLA's, before JAX starts its backend and reads them.

    >>> environ = {"XLA_FLAGS": "--xla_dump_to=here"}
    >>> ask(environ)
    >>> environ["XLA_FLAGS"]
    '--xla_dump_to=here --xla_gpu_deterministic_ops=true'
    """
    environ["XLA_FLAGS"] = f"{environ.get('XLA_FLAGS', '')} {FLAGS}".strip()


def check(platform: str) -> None:
    """Raise ValueError on a platform that needs no flags: a program's bits repeat there as it is."""
    if platform not in ("gpu", "cuda", "rocm"):
        raise ValueError(f"deterministic does nothing here: bits repeat on a {platform.upper()} anyway; leave it out.")
