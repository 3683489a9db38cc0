"""Contact files of any kind → rows of text cells, and rows → files. Knows nothing of contacts: what a column means is core's to say."""
