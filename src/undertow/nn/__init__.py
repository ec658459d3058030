"""Parts of networks: modules for the words of the public surface, and passes over any module."""
