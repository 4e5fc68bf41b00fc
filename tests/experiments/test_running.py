"""What every experiment does before it trains."""

import re
from pathlib import Path

import jax

from experiments.running import cache_compilations

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_compiled_programs_are_kept_in_the_cache_folder_unless_jax_was_told_where(monkeypatch, tmp_path):
    before, least = jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "there")
        cache_compilations()
        assert jax.config.jax_compilation_cache_dir == before
        monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
        cache_compilations()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mixup_jax" / "xla")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)


def test_every_command_that_computes_keeps_its_programs():
    doors = r"\b(run_presets|run_grid|run|find_pair|cache_compilations)\("  # each of them leads to cache_compilations
    commands = [path for path in EXPERIMENTS.glob("*.py") if '__name__ == "__main__"' in path.read_text()]
    without = {path.stem for path in commands if not re.search(doors, path.read_text())}
    assert without == {"__main__", "report", "prepare", "plan"}  # plan compiles for other machines
