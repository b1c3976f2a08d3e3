"""The inference thread, the loaded model and the session it owns."""
