"""Where rows come from: files, folders, addresses, tables; checked batches."""
