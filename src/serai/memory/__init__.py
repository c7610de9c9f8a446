"""What Serai does with the memories of users: tells which say the same, and has models condense them."""
