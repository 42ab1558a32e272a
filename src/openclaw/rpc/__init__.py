"""The gateway's RPC layer: frames, handshake, router, server and client."""
