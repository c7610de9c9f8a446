"""One module per noun: module-level handlers and the table of routes that names them."""
