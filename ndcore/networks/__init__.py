"""Networks: how they are built, stored, run forward, and run where a pixel reaches only."""
