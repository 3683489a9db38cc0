"""Background work, claimed from the tables that hold it. Several workers share it; inside `serve` or apart."""
