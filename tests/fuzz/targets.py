"""All targets, by name."""

from . import arrays, ours, pictures, tables
from .law import Target

TARGETS: dict[str, Target] = {
    target.name: target for part in (arrays, ours, pictures, tables) for target in part.TARGETS
}
