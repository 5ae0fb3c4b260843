"""What can be known before money is spent: legal or not, what the content will do, repairs, and the price."""
