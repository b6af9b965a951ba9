"""Search that serves every language: an index, engines, and policies that merge languages."""
