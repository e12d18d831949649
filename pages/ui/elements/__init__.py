"""Small parts that any page may show."""
