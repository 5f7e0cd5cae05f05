"""Non-linear attackers: probes that read what a linear probe, and a linear eraser, cannot see."""
