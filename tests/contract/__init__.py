"""What all of a kind must do."""
