"""The command line, `./specs`: what people type."""
