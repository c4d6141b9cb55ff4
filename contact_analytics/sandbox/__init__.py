"""The vendors in miniature, on loopback: one file an API, faithful to its documentation, its limits included."""
