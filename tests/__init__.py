"""The tests of Undertow."""
