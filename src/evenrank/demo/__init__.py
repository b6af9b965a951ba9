"""The main job on World Facts, offline: correct a real model, then train small ones."""
