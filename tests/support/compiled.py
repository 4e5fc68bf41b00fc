"""Programs that were compiled in this process, by their text: what several tests compile is compiled once.

JAX forgets a program with the function that it was made of, and every run makes functions of its own. The same programs
are handed on, not copies: nothing is written, so it does not matter what JAX 0.10 makes of copies for several devices
(experiments/commands/running.py).
"""

import time
from collections import OrderedDict

from jax._src import compilation_cache, compiler

KEPT, LEAST = 300, 0.1
"""Programs, the latest, some MB each; and the seconds that compiling one takes at least."""

PROGRAMS: OrderedDict = OrderedDict()
"""Programs by their text, options and devices."""


def keep_programs():
    """Let JAX take a program that has the same text, options and devices as one before."""
    compile_or_load = compiler.compile_or_get_cached

    def kept(backend, computation, devices, options, host_callbacks, *rest):
        if host_callbacks or backend.platform != "cpu":
            return compile_or_load(backend, computation, devices, options, host_callbacks, *rest)
        text = compilation_cache.get_cache_key(computation, devices, options, backend)  # knows kinds of devices alone
        key = text, devices.shape, tuple(device.id for device in devices.flat), id(backend)
        if key in PROGRAMS:
            PROGRAMS.move_to_end(key)
            return PROGRAMS[key]
        began = time.perf_counter()
        program = compile_or_load(backend, computation, devices, options, host_callbacks, *rest)
        if time.perf_counter() - began > LEAST:
            PROGRAMS[key] = program
            if len(PROGRAMS) > KEPT:
                PROGRAMS.popitem(last=False)
        return program

    compiler.compile_or_get_cached = kept
