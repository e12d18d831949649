"""Single pixels of the judged images: the suspect, what is proven, and pairs of them."""
