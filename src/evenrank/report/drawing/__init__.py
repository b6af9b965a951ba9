"""The panels of figures, drawn as SVG."""
