"""A case file: its page, put together from the document alone, and its bytes."""
