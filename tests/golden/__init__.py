"""Golden files: terminal text, JSON and pages."""
