"""Which tokens moved a prediction."""
