"""Studies: what runs at full scale, how it is swept, and where its results are kept."""
