"""Labels for new text, from a folder that holds an encoder and its head; knows no MLflow."""
