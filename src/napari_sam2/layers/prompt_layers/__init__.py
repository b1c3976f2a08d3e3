"""Points, Shapes and Labels layers that prompts are drawn in."""
