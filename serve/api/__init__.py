"""HTTP, websockets and the wire types. Imports nothing itself, so that clients stay light."""
