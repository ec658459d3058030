"""Layer 5: a trained net opened from its checkpoint alone, and put to use."""
