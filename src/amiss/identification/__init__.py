"""Which loss is hidden in a gradient: code is read, matched with the catalogue, or integrated."""
