"""Decision models of the DMN standard: read, checked, run and measured on the standard's own kit."""
