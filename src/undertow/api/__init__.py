"""Layer 7: one file a verb; joins the layers below and holds no logic of its own."""
