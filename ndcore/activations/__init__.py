"""What a network's units do: captured, reduced, counted into histograms, compared and held."""
