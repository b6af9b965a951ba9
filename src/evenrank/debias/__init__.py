"""Language bias of embeddings, corrected without training: fit, apply, save."""
