"""What a task is: the only place that knows which task it is."""
