"""Internal audit: an engagement, its findings, and the report of them."""
