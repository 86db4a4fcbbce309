"""Feature steps: what a job file asks for, fitted from one pass of statistics."""
