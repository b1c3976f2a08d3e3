"""The models that can be used: registry, downloads, cache and measured speeds."""
