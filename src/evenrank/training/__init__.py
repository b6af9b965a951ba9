"""Fine-tuning with hybrid batches on SentenceTransformerTrainer."""
