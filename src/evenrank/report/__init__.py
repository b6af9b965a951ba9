"""Reports: from result folders to one HTML page, Markdown or JSON."""
