"""Files: written whole or not at all, sealed with a checksum, and read without trust in them."""
