"""Tables and pictures of a model, and what it costs."""
