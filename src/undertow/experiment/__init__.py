"""Layer 5: counterfactuals on a copy, paired trials, repair and its verdict."""
