"""MLflow, and nothing else imports it: runs, their rebuilding from files, dead ones."""
