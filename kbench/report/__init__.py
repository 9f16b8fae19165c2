"""Tables of measured numbers beside the published ones; free of torch."""
