"""What the experiments found, drawn: one module per chapter, functions from a Result to a Figure."""
