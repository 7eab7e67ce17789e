"""One step of backpropagation, shown quantity by quantity, each derivative checked."""
