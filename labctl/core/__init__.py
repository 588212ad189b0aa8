"""The process that holds the table: what it runs, who may command it, what it tells."""
