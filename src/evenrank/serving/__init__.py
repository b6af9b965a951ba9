"""The search server: an API, a page, and retrievers for other frameworks."""
