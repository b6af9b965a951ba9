"""World Facts: a parallel corpus and a benchmark about the world, from CLDR, without a download."""

from evenrank.benchmarks.world_facts.benchmark import load_world_facts
from evenrank.benchmarks.world_facts.build import cldr_version, world_facts

__all__ = ["cldr_version", "load_world_facts", "world_facts"]
