"""In which batches the passages of the other pairs are negatives: ``in_batch_negatives``."""

from __future__ import annotations

from evenrank.batching.strategies import Strategy
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.training.config import TrainConfig


def in_batch_modes(config: TrainConfig, strategy: Strategy) -> list[bool] | None:
    """Return whether each mode of a strategy has in-batch negatives; ``None`` if all have.

    Raises:
        UnknownNameError: The strategy has no mode of that name.
        ConfigError: ``all`` or ``none`` is not the only value, or a mode without in-batch negatives
            has no hard negatives either.
    """
    chosen, names = config.in_batch_negatives, [mode.name for mode in strategy.modes]
    if len(chosen) > 1 and (whole := {"all", "none"} & {*chosen}):
        found, expected = f"{min(whole)!r} with other values", "all, none, or names of modes"
        raise ConfigError("in_batch_negatives", found, expected, "Remove one of them")
    if chosen in (["all"], ["none"]):
        chosen = names if chosen == ["all"] else []
    for name in chosen:
        if name not in names:
            raise UnknownNameError("mode", name, ["all", "none", *names], "in_batch_negatives")
    without = [name for name in names if name not in chosen]
    if without and not config.negatives:
        raise ConfigError(
            "in_batch_negatives",
            f"batches without any negative ({', '.join(without)})",
            "hard negatives, where in-batch negatives are not used",
            "Set negatives, or in_batch_negatives to 'all'",
        )
    return [name in chosen for name in names] if without else None
