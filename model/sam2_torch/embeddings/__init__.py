"""Frame embeddings: the encoder's results, cached in memory and stored on disk."""
