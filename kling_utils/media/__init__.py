"""Files and addresses: what they are, measured; how they are decoded, encoded and fetched safely. Refuses to know any provider's rules."""
