"""A report's content as HTML, Markdown and JSON."""
