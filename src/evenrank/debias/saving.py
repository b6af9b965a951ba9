"""Saved corrections: one safetensors file, or a plain Sentence Transformers folder.

The file contains the arrays of the correction, ``texts`` (the sketch of the texts of the fit) and
the metadata of :class:`_Metadata`. ``docs/debias.md`` describes the layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, Field, Json, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from evenrank.debias.base import METHODS, Correction, Fit
from evenrank.debias.rows import Kind
from evenrank.debias.vectors import VectorCorrection
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import without_transformers_bars
from evenrank.errors import ConfigError, DataError, EvenrankError
from evenrank.files import whole_file, whole_folder

if TYPE_CHECKING:  # imports torch: three seconds
    from sentence_transformers import SentenceTransformer

FORMAT = "evenrank-correction"
VERSION = "1"
MARKER = "model"

Count = Annotated[int, Field(ge=2)]


class _Metadata(BaseModel):
    """Metadata of the file; all values are text, as safetensors wants it."""

    format: Literal["evenrank-correction"]
    version: Literal["1"]
    method: str
    settings: Json[dict[str, Any]]
    strength: float = Field(ge=0, le=1)
    encoder: str
    width: int = Field(ge=1)
    counts: Json[dict[Kind, dict[str, Count]]]


def save_correction(correction: Correction, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a correction as one safetensors file, whole or not at all.

    Raises:
        ConfigError: ``path`` exists and may not be replaced.
        FileError: The operating system refuses the file.
    """
    fit = correction.fit
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "method": fit.method,
        "settings": orjson.dumps(fit.settings).decode(),
        "strength": repr(correction.strength),
        "encoder": fit.encoder,
        "width": str(fit.width),
        "counts": orjson.dumps(fit.counts).decode(),
    }
    arrays = correction.arrays() | {"texts": fit.texts}
    content = save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, metadata)
    with whole_file(path, overwrite=overwrite) as part:
        part.write_bytes(content)


def load_correction(path: str | Path) -> Correction:
    """Read a correction that :func:`save_correction` wrote.

    Raises:
        DataError: There is no such file, it is cut short, of another format or version, or its
            arrays do not fit together.
    """
    arrays, metadata = _read(Path(path))
    try:
        facts = _Metadata.model_validate(metadata)
        chosen = METHODS.get(facts.method)
        settings = chosen.settings.model_validate(facts.settings).model_dump()
        texts = arrays.pop("texts")
        if texts.ndim != 1 or texts.dtype != np.uint64:
            raise ValueError("texts as a row of uint64")
        fit = Fit(facts.method, settings, facts.encoder, facts.width, facts.counts, texts)
        if "passage" not in fit.counts or len(fit.languages("passage")) < 2:
            raise ValueError("passages in two languages")
        correction = chosen.correction.from_arrays(fit, arrays, facts.strength)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, f"{where} {first['input']!r:.60}", first["msg"].lower()) from None
    except EvenrankError as cause:
        raise _damaged(path, cause.found, cause.expected) from None
    except (KeyError, ValueError) as cause:
        raise _damaged(path, "arrays that do not fit together", str(cause)) from None
    return correction


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(str(path), "nothing", "a correction", "Write one first") from None
    except (SafetensorError, OSError) as cause:
        raise _damaged(path, str(cause), "a whole safetensors file") from None


def _damaged(path: str | Path, found: str, expected: str) -> DataError:
    return DataError(str(path), found, expected, "Fit it again with this version of evenrank")


def save_model(
    correction: Correction,
    model: SentenceTransformer,
    folder: str | Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write an encoder with its correction as a plain Sentence Transformers folder.

    A ``Dense`` module without activation and a ``Normalize`` module come after the encoder's own.
    The folder encodes wherever Sentence Transformers is installed.

    Args:
        correction: One that is the same for all languages, queries and passages: ``project`` and
            ``leace`` on both sides.
        model: The encoder that it was fitted for; it stays as it is.
        folder: The folder to write.
        overwrite: Replace a folder that this function wrote.

    Raises:
        ConfigError: The correction needs the language or the kind of a text, or ``folder`` exists.
        DataError: The correction was fitted for another encoder.
        FileError: The operating system refuses the folder.
    """
    plain = require_plain(correction)
    width = model.get_embedding_dimension()
    correction.require(encoder=model_fingerprint(model), width=width)
    with (
        whole_folder(folder, marker=MARKER, overwrite=overwrite) as part,
        without_transformers_bars(),
    ):
        _with_correction(plain, model).save_pretrained(str(part), create_model_card=False)


def require_plain(correction: Correction) -> VectorCorrection:
    """Return a correction that is the same for all texts.

    Raises:
        ConfigError: It depends on the language or the kind of a text.
    """
    if isinstance(correction, VectorCorrection) and not correction.needs_language:
        return correction
    raise ConfigError(
        f"correction {correction.fit.method!r}",
        "a change that depends on the language or the kind of a text",
        "one map for all texts: 'project' or 'leace' with sides 'both'",
        "Use the file with evaluate --debias, or from Python",
    )


def _with_correction(
    correction: VectorCorrection, model: SentenceTransformer
) -> SentenceTransformer:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    square, shift = correction.matrix()
    dense = Dense(len(shift), len(shift), bias=True, activation_function=torch.nn.Identity())
    dense.linear.weight.data = torch.from_numpy(square).float()
    dense.linear.bias.data = torch.from_numpy(shift).float()
    modules = list(model)
    if not isinstance(modules[-1], Normalize):
        modules.append(Normalize())  # corrections are fitted on unit vectors
    corrected = SentenceTransformer(
        modules=[*modules, dense, Normalize()],
        prompts=model.prompts,
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name="cosine",
        device="cpu",
    )
    return corrected
