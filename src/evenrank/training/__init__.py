"""Fine-tuning with the batches of a strategy, on SentenceTransformerTrainer."""
