"""The wires. Each decodes, makes one call into core and encodes; no rule lives here, and none imports another."""
