"""Long work of the pages, described by names so that another process can do it."""
