"""Arms, trials and the statistics that compare them."""
