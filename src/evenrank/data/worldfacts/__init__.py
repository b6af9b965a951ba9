"""World Facts: a parallel corpus about the world, made from CLDR without a download."""

from evenrank.data.worldfacts.build import cldr_version, world_facts

__all__ = ["cldr_version", "world_facts"]
