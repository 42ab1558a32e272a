"""Speech vendors over real sockets."""
