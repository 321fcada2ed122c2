"""Where frames come from: files now, addresses and cameras behind the same protocol."""
