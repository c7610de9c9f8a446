"""Pure rules: run states, ids, JSON text. No I/O."""
