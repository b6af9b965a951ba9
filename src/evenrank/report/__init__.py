"""The report room: result folders in; one self-contained HTML page, Markdown or JSON out."""
