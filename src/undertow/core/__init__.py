"""Layer 0: the words, the numbers and the frozen data everything else is made of."""
