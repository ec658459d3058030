"""Hand-made records, sick and healthy, with the diagnosis they must get."""
