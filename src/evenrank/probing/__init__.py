"""Language bias of an embedding model on the user's own corpus, measured without labels."""
