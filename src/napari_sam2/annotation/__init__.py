"""The annotation of one movie: its history, objects, drawn prompts and edits."""
