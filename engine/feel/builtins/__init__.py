"""The built-in functions of the full language; importing the package fills the table."""
