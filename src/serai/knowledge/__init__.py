"""Knowledge bases: reading, cutting, embedding and searching documents."""
