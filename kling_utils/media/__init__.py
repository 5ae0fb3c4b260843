"""Files and addresses: what they are, measured; how they are decoded, encoded and fetched safely."""
