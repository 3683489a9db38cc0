"""What the wires share: tolerant JSON, tokens → account, paging, limits, the request log."""
