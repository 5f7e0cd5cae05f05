"""Sweeps with Optuna, which nothing else imports: space, study, claims, front, adoption."""
